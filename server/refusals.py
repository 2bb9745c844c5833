"""Refusals that several rooms give in the same words."""

from protocol.errors import Refusal

NO_SUCH_USER = Refusal("not_found", "there is no such user")
NO_SUCH_POST = Refusal("not_found", "there is no such post")
NO_CURSOR = Refusal("bad_request", "before: not a cursor of this list")
