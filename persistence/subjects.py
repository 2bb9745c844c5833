"""What nodes call the subjects and the stream that they share in NATS."""

NEWS = "tidings.news"
"""That the membership has changed: to all nodes."""
STREAM, MESSAGES = "TIDINGS_OUTBOX", "tidings.outbox.*"
"""The stream of the outbox, and what it holds."""


def frames_for(node: str) -> str:
    """Frames for the node of this incarnation."""
    return f"tidings.node.{node}"


def messages_for(consumer: str) -> str:
    """Messages of the outbox for this consumer."""
    return f"tidings.outbox.{consumer}"
