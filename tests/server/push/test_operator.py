"""What the command line says to an operator who asks for too little or too much."""

import pytest
from click.testing import CliRunner

from config.push import VapidKey
from server.cli import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["replay"], "Name the ids of dead pushes, or give --all."),
        (["replay", "7", "--all"], "Name the ids of dead pushes, or give --all."),
        (["replay", "x"], "'x' is not a valid integer"),
        (["replay", "--all", "--limit", "0"], "0 is not in the range"),
        (["dead", "--limit", "1001"], "1001 is not in the range"),
        (["list", "--data", "/nowhere"], "/nowhere holds no installation"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(words: list[str], told: str) -> None:
    done = CliRunner().invoke(main, ["admin", "push", *words])
    assert done.exit_code == 2
    assert told in done.output


def test_a_key_for_web_push_is_one_that_the_settings_take() -> None:
    first, second = (CliRunner().invoke(main, ["admin", "push", "vapid"]).output.strip() for _ in range(2))
    assert VapidKey(first) != VapidKey(second)
