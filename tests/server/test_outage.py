"""What fails again and again is logged twice."""

import pytest
from structlog.testing import capture_logs

from persistence.faults import UnavailableError
from server.outage import Outage


def test_an_outage_is_logged_when_it_begins_and_when_it_is_over() -> None:
    outage = Outage("the store is away", consumer="push")
    with capture_logs() as lines:
        outage.is_over()
        for _ in range(3):
            outage.goes_on(UnavailableError("no answer"))
        for _ in range(3):
            outage.is_over()
    assert [(line["log_level"], line["event"], line["consumer"]) for line in lines] == [
        ("warning", "the store is away", "push"),
        ("info", "over: the store is away", "push"),
    ]
    assert lines[0]["fault"] == "no answer"


def test_the_next_outage_is_logged_again_and_a_bug_with_its_stack() -> None:
    outage = Outage("nothing works")
    with capture_logs() as lines:
        outage.goes_on(UnavailableError())
        outage.is_over()
        outage.goes_on(ValueError("no number"), stack=True)
    assert [(line["log_level"], line["exc_info"]) for line in lines if "fault" in line] == [
        ("warning", False),
        ("error", True),
    ]


@pytest.mark.parametrize(
    ("fault", "logged"), [(UnavailableError("no answer"), ("warning", False)), (KeyError("a bug"), ("error", True))]
)
def test_a_try_that_fails_is_noted_and_ends_nobodys_work(fault: Exception, logged: tuple[str, bool]) -> None:
    outage, tries = Outage("nothing works"), list[str]()
    with capture_logs() as lines:
        for number in range(3):
            with outage.noted():
                tries.append("begun")
                if number < 2:
                    raise fault
                tries.append("done")
    assert tries == ["begun", "begun", "begun", "done"]
    assert [(line["log_level"], line.get("exc_info")) for line in lines] == [logged, ("info", None)]
