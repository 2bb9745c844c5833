"""Presence: what this node tells all others of its users, and its users of those whom they watch.

May import everything that `server` may; actors know it as an address.
"""
