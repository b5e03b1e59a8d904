"""What zfs_list makes of what zfs prints."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lunops.agent import listing
from lunops.agent.outcome import ItemError
from lunops.agent.system import Output, System
from lunops.agent.work import Item, Work


class Answering(System):
    """A head whose zfs prints what the test says."""

    def __init__(self, out: str, err: str = "", code: int = 0) -> None:
        self.output = Output(code, out, err)
        self.asked: list[Sequence[str]] = []

    def run(self, argv: Sequence[str], timeout_s: float = 300.0) -> Output:  # noqa: ARG002
        self.asked.append(argv)
        return self.output


def listed(system: System, *datasets: str, depth: int = 1, types: Sequence[str] = ("volume",)) -> dict[str, object]:
    """Do the task, and return each item's data or error."""
    found: dict[str, object] = {}
    work = Work(system, lambda item, outcome, _seconds: found.update({item.key: outcome.error or outcome.data}))
    args = {"properties": ["used"], "types": list(types), "depth": depth}
    listing.run(work, [Item(name, {**args, "dataset": name}) for name in datasets])
    return found


def test_each_item_gets_its_own_lines_of_the_one_command() -> None:
    system = Answering("p/x\t1\np/x/a\t2\np/x/a/b\t3\np/x/a@s\t4\np/x@s\t5\np/xy\t6\np/xy/a\t7\n")

    found = listed(system, "p/x", "p/xy", "p/x/a")

    assert len(system.asked) == 1
    assert system.asked[0][:8] == ["zfs", "list", "-Hp", "-t", "volume", "-d", "1", "-o"]
    assert found == {
        "p/x": [{"name": name, "used": used} for name, used in (("p/x", "1"), ("p/x/a", "2"), ("p/x@s", "5"))],
        "p/xy": [{"name": "p/xy", "used": "6"}, {"name": "p/xy/a", "used": "7"}],
        "p/x/a": [{"name": name, "used": used} for name, used in (("p/x/a", "2"), ("p/x/a/b", "3"), ("p/x/a@s", "4"))],
    }


def test_one_that_is_missing_fails_alone() -> None:
    found = listed(Answering("p/x\t1\n", "cannot open 'p/nope': dataset does not exist\n", 1), "p/x", "p/nope")

    assert found == {"p/x": [{"name": "p/x", "used": "1"}], "p/nope": "p/nope does not exist"}


@pytest.mark.parametrize(
    ("out", "err", "code", "said"),
    [
        ("", "internal error: out of memory\n", 1, "out of memory"),
        ("", "", 2, "exit code 2"),
        ("p/x\t1\n", "cannot open 'p/y': I/O error\n", 1, "I/O error"),
        ("", "no answer within 300 s; ended", -9, "no answer within 300 s"),
        ("p/x\t1\t2\n", "", 0, "not one value for each of name, used"),
        ("p/x\n", "", 0, "not one value for each of name, used"),
    ],
)
def test_an_answer_that_is_not_understood_is_an_error_and_never_an_empty_list(
    out: str, err: str, code: int, said: str
) -> None:
    assert said in str(listed(Answering(out, err, code), "p/x")["p/x"])
    with pytest.raises(ItemError):
        listing.rows(Answering(out, err, code), ["p/x"], ("name", "used"), ("volume",), depth=1)
