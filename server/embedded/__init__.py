"""A real Postgres 18, a NATS server and a Valkey in one folder, started by their binaries: no Docker, nothing outside
touched.

May import persistence and nothing else of ours.
"""

from server.embedded.failure import EmbeddedError
from server.embedded.nats import EmbeddedNats
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.service import Service
from server.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedError", "EmbeddedNats", "EmbeddedPostgres", "EmbeddedValkey", "Service"]
