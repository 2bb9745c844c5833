"""From the outbox to its consumers: packed by any node, carried by a JetStream stream, handled by any node.

May import persistence, protocol and, of this room, what is observed and the connection to NATS.
"""
