"""A real Postgres 18 inside one folder, started by its binaries: no root, no Docker, no TCP, nothing outside touched.

May import persistence and nothing else of ours.
"""

from server.embedded.failure import EmbeddedError
from server.embedded.postgres import EmbeddedPostgres

__all__ = ["EmbeddedError", "EmbeddedPostgres"]
