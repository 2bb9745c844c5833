"""What the database holds in the end, read past the product."""

from __future__ import annotations

import asyncpg
import msgspec

from bench.checker.history import Final
from protocol.events import AnyLogEvent
from protocol.ids import ConversationId, UserId

decode_event = msgspec.msgpack.Decoder(AnyLogEvent).decode


async def read_final(url: str, users: list[int]) -> Final:
    """What the database holds of these users' conversations. Raises asyncpg.PostgresError."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("begin isolation level repeatable read")
        heads = await connection.fetch(
            "select id::text, last_c, creator::text, create_cid, low::text, high::text from conversation"
            " where id in (select conversation from member where user_id = any($1)) order by id",
            users,
        )
        ids = [int(row["id"]) for row in heads]
        members = await connection.fetch(
            "select conversation::text, user_id::text, delivered_c, read_c, folder, settings ->> 'draft' as draft"
            " from member where conversation = any($1)",
            ids,
        )
        events = await connection.fetch(
            "select body from event where conversation = any($1) order by conversation, c", ids
        )
    finally:
        await connection.close()
    logs: dict[ConversationId, list[AnyLogEvent]] = {ConversationId(row["id"]): [] for row in heads}
    for row in events:
        event = decode_event(row["body"])
        logs[event.conversation].append(event)
    marks: dict[ConversationId, dict[UserId, tuple[int, int]]] = {id: {} for id in logs}
    for row in members:
        marks[row["conversation"]][row["user_id"]] = row["delivered_c"], row["read_c"]
    return Final(
        logs,
        {ConversationId(row["id"]): row["last_c"] for row in heads},
        marks,
        {(row["conversation"], row["user_id"]): row["draft"] for row in members if row["draft"]},
        {(UserId(row["creator"]), row["create_cid"]): ConversationId(row["id"]) for row in heads if row["creator"]},
        {(row["conversation"], row["user_id"]): row["folder"] for row in members if row["folder"] != "inbox"},
        {ConversationId(row["id"]): (UserId(row["low"]), UserId(row["high"])) for row in heads if row["low"]},
    )
