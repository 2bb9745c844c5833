"""Digests: whether a request with a known `cid` is the same request again (docs/protocol.md §4)."""

from hashlib import blake2b

import msgspec

from protocol.requests import CreateConversation, SendMessage

_encode = msgspec.msgpack.Encoder().encode


def sameness(*asked: object) -> bytes:
    """64 bits over what a request asks for; UNSET and None are the same."""
    return blake2b(_encode([_given(one) for one in asked]), digest_size=8).digest()


def digest(request: SendMessage | CreateConversation) -> int:
    """64 bits, signed, over what the request asks for; `id`, `cid`, `after` and the conversation are no part of it."""
    if isinstance(request, SendMessage):
        asked = ["message.send", request.text, request.reply_to, request.mentions]
        if request.share is not msgspec.UNSET:
            asked += [request.share.kind, request.share.id, *(["reaction"] if request.share.reaction else [])]
    else:
        asked = ["conversation.create", request.members, request.title]
    return int.from_bytes(sameness(*asked), "big", signed=True)


def _given(field: object) -> object:
    return None if field is msgspec.UNSET else field
