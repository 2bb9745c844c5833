"""What the application chooses for its session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session is told once. `pipeline` sends of one conversation may be in flight; `waiting` bounds requests,
    `queue` the events handed on and not taken (`backlog`)."""

    device: Mapping[str, str]
    follow: bool = True
    background: bool = False
    pipeline: int = 1
    waiting: int = 16_384
    queue: int = 1_024
