"""Outages: what fails again and again is logged when that begins, and when it is over."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from persistence.faults import UnavailableError

log = structlog.get_logger()


class Outage:
    """Of one work that is tried for ever. `what` is the line that is logged, with `about`."""

    def __init__(self, what: str, **about: str) -> None:
        self._what = what
        self._about = about
        self._lasts = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """One try. Whatever it fails of, a bug too, is logged and goes no further: the next try is another one."""
        try:
            yield
        except Exception as fault:
            self.goes_on(fault, stack=not isinstance(fault, UnavailableError))
        else:
            self.is_over()

    def goes_on(self, fault: Exception, *, stack: bool = False) -> None:
        """It has failed; the first time is logged. `stack`: as a bug, with where it came from."""
        if not self._lasts:
            tell = log.error if stack else log.warning
            tell(self._what, **self._about, fault=str(fault) or repr(fault), exc_info=stack)
        self._lasts = True

    def is_over(self) -> None:
        """It has succeeded; that is logged after it had failed."""
        if self._lasts:
            log.info(f"over: {self._what}", **self._about)
        self._lasts = False
