"""`tidings demo`: simulated people on the Python client, over real sockets and HTTP, with a live table.

May import the client, the supervisor and what draws pictures; nothing of the server knows of it.
"""

from server.demo.people import NAMES
from server.demo.running import run_demo

__all__ = ["NAMES", "run_demo"]
