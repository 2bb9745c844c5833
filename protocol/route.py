"""One route of the HTTP interface, as the table of `protocol.routes` has it."""

from typing import Annotated, Literal

from msgspec import Struct

from protocol.errors import Code
from protocol.ids import ID
from protocol.people import Username
from protocol.requests import Request

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class ById(Struct, frozen=True, gc=False):
    """The path of one thing."""

    id: Annotated[str, ID]


class ByUsername(Struct, frozen=True, gc=False):
    """The path of somebody by name."""

    name: Username


class Route(Struct, frozen=True, kw_only=True):
    """`bodies` are alternatives: the first whose required keys are all there is meant, else the last; where each has a
    tag, its tag tells.

    `ops` go with `bodies` one to one, or stand alone when there is no body. `cached` answers carry an ETag.
    """

    name: str
    method: Method
    path: str
    summary: str
    answer: type[Struct]
    status: int = 200
    bodies: tuple[type[Struct], ...] = ()
    query: type[Struct] | None = None
    place: type[Struct] | None = None
    ops: tuple[type[Request], ...] = ()
    open: bool = False
    cached: bool = False
    refusals: tuple[Code, ...] = ()
