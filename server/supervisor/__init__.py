"""One process that keeps the nodes of one machine alive, and restarts them one after the other.

May import persistence, config and server's embedded services; it knows no actor.
"""
