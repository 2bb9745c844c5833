"""Which store of objects a URL names."""

from pathlib import Path
from urllib.parse import urlsplit

from persistence.objects.contract import Objects
from persistence.objects.local import LocalObjects
from persistence.objects.s3 import S3Objects


def open_objects(url: str, endpoint: str, region: str, key: str, secret: str) -> Objects:
    """`s3://bucket/prefix`, with the rest for it; anything else is the path of a folder."""
    if not url.startswith("s3://"):
        local = LocalObjects(Path(url))
        local.drop_abandoned()
        return local
    parts = urlsplit(url)
    return S3Objects(parts.netloc, parts.path.strip("/"), endpoint, region, key, secret)
