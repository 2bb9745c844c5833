"""Where objects are kept, and what may be uploaded."""

import re
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from config.values import Value

FOLDER = ".tidings/objects"


class ObjectsUrl(Value, str):
    """A folder's path, or a bucket with the prefix of the keys in it."""

    __slots__ = ()
    expects: ClassVar[str] = "the path of a folder, or s3://bucket/prefix"

    def __new__(cls, text: str) -> Self:
        s3 = re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,62}(/[A-Za-z0-9_.-]+)*/?", text)
        if not text or "\0" in text or ("://" in text and s3 is None):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)


class ColdUrl(Value, str):
    """Where originals go; empty for where all objects are."""

    __slots__ = ()
    expects: ClassVar[str] = f"{ObjectsUrl.expects}, or nothing"

    def __new__(cls, text: str) -> Self:
        if text:
            ObjectsUrl(text)
        return super().__new__(cls, text)


class EndpointUrl(Value, str):
    """Where a server is that speaks S3; empty for Amazon's own."""

    __slots__ = ()
    expects: ClassVar[str] = "a URL such as https://s3.example.com"

    def __new__(cls, text: str) -> Self:
        parts = urlsplit(text)
        if text and not (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)


class Name(Value, str):
    """A word as S3 gives them: of a region, or the id of a key."""

    __slots__ = ()
    expects: ClassVar[str] = "a word such as eu-central-1"

    def __new__(cls, text: str) -> Self:
        if not re.fullmatch(r"[\w.-]{0,128}", text, re.ASCII):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)


class Secret(Value, str):
    """The secret half of a key."""

    __slots__ = ()
    expects: ClassVar[str] = "the secret that belongs to objects.key"
    secret: ClassVar[bool] = True

    def __repr__(self) -> str:
        return "Secret(…)"


class Objects(Struct, frozen=True, kw_only=True):
    """Where pictures lie: in a folder that all nodes share, or in S3."""

    url: ObjectsUrl = ObjectsUrl(FOLDER)
    cold_url: ColdUrl = ColdUrl("")
    endpoint: EndpointUrl = EndpointUrl("")
    region: Name = Name("us-east-1")
    key: Name = Name("")
    secret: Secret = Secret("")


class Uploads(Struct, frozen=True, kw_only=True):
    """What may be uploaded, by one person and to one node."""

    file_bytes: Annotated[int, Meta(ge=1, le=1 << 40)] = 134_217_728
    day_bytes: Annotated[int, Meta(ge=1, le=1 << 50)] = 2_147_483_648
    day_files: Annotated[int, Meta(ge=1, le=100_000)] = 2_000
    unfinished: Annotated[int, Meta(ge=1, le=10_000)] = 20
    expire_s: Annotated[int, Meta(ge=1, le=31_536_000)] = 86_400
    unused_s: Annotated[int, Meta(ge=60, le=31_536_000)] = 86_400
    at_once: Annotated[int, Meta(ge=1, le=10_000)] = 32
    per_user: Annotated[int, Meta(ge=1, le=10_000)] = 4
    stall_ms: Annotated[int, Meta(ge=100, le=600_000)] = 20_000


class Media(Struct, frozen=True, kw_only=True):
    """How much of a machine pictures may take while they are made ready."""

    workers: Annotated[int, Meta(ge=0, le=64)] = 1
    memory_bytes: Annotated[int, Meta(ge=1 << 26, le=1 << 36)] = 1_073_741_824
