"""Requests as clients write them: plain maps, by op, for Hypothesis."""

from typing import Any

from hypothesis import strategies as st

MOST = 9 * 10**18 - 1

Map = dict[str, Any]

ids = st.integers(1, MOST).map(str)
places = st.integers(1, 2**53)
positions = st.integers(0, 2**53)
heads = st.dictionaries(ids, positions, max_size=5)


def text(most: int, least: int = 0) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=least, max_size=most)


cids = text(64, 1)
devices = st.fixed_dictionaries({"id": text(128, 1), "platform": text(32), "app": text(64)})
resumes = st.fixed_dictionaries({"epoch": text(64), "u": positions})
kinds = st.sampled_from(["like", "comment", "mention", "follow", "message", "system"])
minutes = st.integers(0, 1_439)
preferences = st.fixed_dictionaries(
    {},
    optional={
        "channels": st.dictionaries(kinds, st.dictionaries(st.sampled_from(["push", "email"]), st.booleans())),
        "audience": st.dictionaries(kinds, st.sampled_from(["everyone", "following", "nobody"])),
        "quiet": st.fixed_dictionaries({"zone": st.just("Europe/Berlin"), "from": minutes, "to": minutes}),
        "muted": st.fixed_dictionaries({"people": st.lists(ids, max_size=3), "threads": st.lists(text(64, 1))}),
        "pause_until": positions,
    },
)

REQUIRED: dict[str, Map] = {
    "hello": {"token": text(200), "device": devices},
    "sync": {"heads": heads, "since": positions},
    "background": {"on": st.booleans()},
    "conversation.open": {"user": ids},
    "conversation.create": {"cid": cids, "members": st.lists(ids, max_size=5)},
    "conversation.get": {"conversation": ids},
    "conversation.list": {},
    "conversation.settings": {"conversation": ids},
    "conversation.accept": {"conversation": ids},
    "conversation.decline": {"conversation": ids},
    "conversation.receipts": {"conversation": ids},
    "message.send": {"conversation": ids, "cid": cids, "text": text(300, 1)},
    "message.history": {"conversation": ids},
    "message.read": {"conversation": ids, "c": positions},
    "notification.list": {},
    "notification.seen": {"up_to": positions},
    "notification.preferences": {},
    "presence.watch": {"users": st.lists(ids, max_size=5)},
    "presence.set": {"visible": st.booleans()},
    "post.watch": {"posts": st.lists(ids, max_size=5)},
    "story.tray": {},
    "story.seen": {"story": ids},
    "story.react": {"story": ids, "emoji": st.sampled_from(["🔥", "❤️", "x"]), "cid": cids},
    "typing": {"conversation": ids, "kind": st.sampled_from(["text", "voice", "media", "stop"])},
    "ack": {"epoch": text(64), "u": positions},
}

shares = st.fixed_dictionaries({"kind": st.sampled_from(["post", "story", "profile"]), "id": ids})

OPTIONAL: dict[str, Map] = {
    "hello": {"resume": resumes, "follow": st.booleans(), "snapshot": st.booleans(), "background": st.booleans()},
    "sync": {"only": st.booleans(), "cursor": text(128)},
    "conversation.create": {"title": text(100, 1)},
    "conversation.list": {
        "folder": st.sampled_from(["inbox", "requests", "archive"]),
        "before": text(128),
        "limit": st.integers(1, 50),
    },
    "conversation.settings": {
        "mute_until": positions,
        "pinned": st.booleans(),
        "archived": st.booleans(),
        "send_receipts": st.booleans(),
        "draft": text(300),
    },
    "message.send": {"after": cids, "reply_to": places, "mentions": st.lists(ids, max_size=5), "share": shares},
    "presence.watch": {"conversation": ids},
    "message.history": {"after": positions, "before": places, "limit": st.integers(1, 100)},
    "notification.list": {"before": text(128), "limit": st.integers(1, 50)},
    "notification.preferences": {"set": preferences},
    "ack": {"heads": heads},
}

WITHOUT_ID = ("typing", "ack")


def _map(op: str) -> st.SearchStrategy[Map]:
    required: dict[str, Any] = {"op": st.just(op), **REQUIRED[op]}
    if op not in WITHOUT_ID:
        required["id"] = st.integers(1, 2**31)
    return st.fixed_dictionaries(required, optional=OPTIONAL.get(op, {}))


requests = st.sampled_from(sorted(REQUIRED)).flatmap(_map)
"""Any request that a server has to accept."""

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text(20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text(5), inner, max_size=3),
    max_leaves=6,
)
"""Anything that both encodings can carry."""
