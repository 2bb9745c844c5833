"""Reaching the Postgres that the settings name, and the one sentence when that fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from config.settings import SettingError
from persistence.faults import UnavailableError
from persistence.pool import UNANSWERED

_FAULTS = (*UNANSWERED, asyncpg.PostgresError, ValueError, UnavailableError)


@contextmanager
def reaching_postgres() -> Iterator[None]:
    """Raises SettingError for whatever goes wrong with the database inside."""
    try:
        yield
    except _FAULTS as fault:
        # The words of a plain ValueError quote what stood in the URL: a password perhaps.
        reason = "it cannot be read" if type(fault) is ValueError else str(fault) or type(fault).__name__
        raise SettingError(
            f"postgres.url (TIDINGS_POSTGRES__URL) leads to no usable database ({reason}): "
            "start Postgres there or set another address."
        ) from fault
