"""How many descriptors a node may have."""

import resource
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from config.sections import Gateway
from server.descriptors import OTHERS, allow_as_many


@pytest.fixture
def most() -> Iterator[int]:
    """The most that this process may have; it begins with fewer."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1] // 2, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_node_takes_all_that_it_may_have(most: int) -> None:
    with capture_logs() as lines:
        allow_as_many(Gateway(max_connections=most - OTHERS - 1, max_http=1))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
    assert lines == []


def test_settings_that_grant_more_than_that_are_warned_of(most: int) -> None:
    with capture_logs() as lines:
        allow_as_many(Gateway(max_connections=most - OTHERS, max_http=1))
    assert [(line["log_level"], line["most"], line["wanted"]) for line in lines] == [("warning", most, most + 1)]
