"""Presence: how users stand, shared between nodes in Redis; and who may see it, which Postgres knows."""
