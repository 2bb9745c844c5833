"""Which variants of a picture are kept, and under which names."""

from protocol.media import VARIANTS, Variant

SQUARE: Variant = "150"
WIDE: tuple[Variant, ...] = tuple(name for name in VARIANTS if name != SQUARE)
FORMATS = ("jpg", "webp")


def kept_as(variant: Variant, width: int) -> Variant:
    """The variant that stands for this one of a picture that wide: nothing is enlarged, and nothing kept twice."""
    if variant == SQUARE:
        return SQUARE
    wanted = min(int(variant), width)
    return next(name for name in WIDE if int(name) >= wanted)


def kept(width: int) -> list[Variant]:
    """The variants that are kept of a picture that wide, the largest first."""
    return sorted({kept_as(name, width) for name in VARIANTS}, key=int, reverse=True)


def object_key(media: str, variant: Variant, format: str) -> str:
    """Where one of them lies among the objects."""
    return f"media/{media}/{variant}.{format}"


def archive_key(media: str) -> str:
    """Where the original lies when all is done."""
    return f"cold/{media}"


def original_key(media: str) -> str:
    """Where the pieces of the upload are put together."""
    return f"original/{media}"
