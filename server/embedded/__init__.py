"""A real Postgres 18 and a NATS server in one folder, started by their binaries: no Docker, nothing outside touched.

May import persistence and nothing else of ours.
"""

from server.embedded.failure import EmbeddedError
from server.embedded.nats import EmbeddedNats
from server.embedded.postgres import EmbeddedPostgres

__all__ = ["EmbeddedError", "EmbeddedNats", "EmbeddedPostgres"]
