"""The HTTP interface: the routes of `protocol.routes` bound to handlers, within limits, problem documents and CORS.

May import protocol, persistence's contracts and questions, config, and of the server what answers: accounts, uploads,
pictures, posts, engagement, stories. Ops go through one injected function, so what a socket may do and what HTTP may
do is decided in one place.
"""

from server.http.app import HANDLING, make_app
from server.http.private import make_private_app
from server.http.rates import Rates
from server.http.services import Services

__all__ = ["HANDLING", "Rates", "Services", "make_app", "make_private_app"]
