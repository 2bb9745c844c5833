"""Digests: whether a request with a known `cid` is the same request again (docs/protocol.md §4)."""

from hashlib import blake2b

import msgspec

from protocol.requests import CreateConversation, SendMessage

_encode = msgspec.msgpack.Encoder().encode


def digest(request: SendMessage | CreateConversation) -> int:
    """64 bits, signed, over what the request asks for; `id`, `cid`, `after` and the conversation are no part of it."""
    if isinstance(request, SendMessage):
        asked = ["message.send", _given(request.text), _given(request.reply_to), _given(request.mentions)]
        if request.share is not msgspec.UNSET:
            asked += [request.share.kind, request.share.id, *(["reaction"] if request.share.reaction else [])]
    else:
        asked = ["conversation.create", request.members, _given(request.title)]
    return int.from_bytes(blake2b(_encode(asked), digest_size=8).digest(), "big", signed=True)


def _given(field: object) -> object:
    return None if field is msgspec.UNSET else field
