"""The suite of the modules that are not about storage on the simulated head, and what its shell does not pretend."""

from __future__ import annotations

import pytest

from lunops.model import Status
from tests.operations.bench import Bench
from tests.operations.suite_general import GeneralSuite, one


class TestOnASimulatedHead(GeneralSuite):
    pass


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("iptables -L", "iptables: this is a simulated head, which has no such command"),
        ("ls | wc", "whose shell knows words, ;, && and ||, and not |"),
        ("echo a > /tmp/x", "and not >"),
        ("echo $HOME", "whose shell does not know $"),
    ],
)
def test_what_is_not_simulated_fails_and_says_so(bench: Bench, line: str, said: str) -> None:
    item = one(bench, "shell", {"cmd": line})

    assert item.status is Status.FAILED
    assert item.data["rc"] in (2, 127)
    assert said in item.error
