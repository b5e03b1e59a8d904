"""What a relay asks of the two agents, and how it puts their answers together; no I/O of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from lunops.model import Item, ItemResult, Json, Status, Task, TaskResult

AT = "at"  # the first word of what an item made on another head: ["at", HEAD, [what]]
SOURCE, DESTINATION = "zfs_send", "zfs_receive"  # the modules of the two agents; a plan has the first one only
_ASK_S = 600.0  # for a question; the streams have all of the task's time


class Asked(Protocol):
    """A session, as far as it is asked here."""

    def run(self, task: Task, *, check: bool = False) -> TaskResult:
        """Do a task."""


class Tasks:
    """The questions of one task."""

    def __init__(self, task: Task, source: str) -> None:
        self.task = task
        self._source = source

    def look_at_source(self) -> Task:
        """Return the question about all snapshots, for the source."""
        items = tuple(Item(key=item.key, args={"src": item.args["src"]}) for item in self.task.items)
        return self._of(SOURCE, items)

    def look(self, item: Item, found: Json) -> Task:
        """Return the question what the destination has; `found` is the source's answer."""
        return self._there(item, found, "look", "")

    def prepare(self, item: Item, found: Json) -> Task:
        """Return the task to make the parents."""
        return self._there(item, found, "prepare", "")

    def finish(self, item: Item, found: Json, how: Json) -> Task:
        """Return the task to mark what came."""
        return self._there(item, found, "finish", how["base"])

    def estimate(self, item: Item, how: Json) -> Task:
        """Return the question how much it will be; `how` is the destination's answer."""
        args = {**self.send_args(item, how), "dst": item.key, "to": item.args["to"]}
        return self._of(SOURCE, (Item(key=item.key, args=args),))

    def send_args(self, item: Item, how: Json) -> dict[str, Json]:
        """Return what the source makes its command of."""
        return {"src": item.args["src"], "how": how["how"], "base": how["from"], "token": how.get("token", "")}

    def receive_args(self, item: Item, found: Json, how: Json) -> dict[str, Json]:
        """Return what the destination makes its command of."""
        return {"dst": item.key, "marks": item.args["marks"], "source": found, "base": how["base"]}

    def ask(self, session: Asked, task: Task, *, check: bool) -> ItemResult:
        """Return the answer to a question about one item."""
        (result,) = session.run(task, check=check).items
        return result

    def result(self, ended: Mapping[str, ItemResult], looked: TaskResult, elapsed_s: float) -> TaskResult:
        """Return the task's result."""
        items = tuple(ended[item.key] for item in self.task.items)
        found = {item.status for item in items}
        bad = any(status.is_bad for status in found)
        order = (Status.CHANGED, Status.OK, Status.SKIPPED)
        status = Status.FAILED if bad else next((each for each in order if each in found), Status.OK)
        times = looked.times
        rest_s = max(0.0, elapsed_s - (times.total_s - times.connect_s))
        times = replace(times, transfer_s=times.transfer_s + rest_s, total_s=times.total_s + rest_s)
        return replace(looked, module=self.task.module, status=status, items=items, times=times)

    def _there(self, item: Item, found: Json, step: str, base: str) -> Task:
        args = {**item.args, "source": found, "step": step, "base": base}
        return self._of(DESTINATION, (Item(key=item.key, args=args),))

    def _of(self, module: str, items: tuple[Item, ...]) -> Task:
        return replace(self.task, module=module, items=items, timeout_s=min(self.task.timeout_s, _ASK_S))


def at_peer(result: ItemResult, head: str) -> ItemResult:
    """Return a destination's answer as the source's: with the head's name where a reader needs it."""
    return replace(
        result,
        error=f"on {head}: {result.error}" if result.error else "",
        rolled_back=tuple(f"{each}  # on {head}" for each in result.rolled_back),
        left_behind=tuple(f"{each}  # on {head}" for each in result.left_behind),
        made=tuple([AT, head, entry] for entry in result.made),
    )


def with_all(first: ItemResult, last: ItemResult) -> ItemResult:
    """Return the later answer with what was made for the earlier one as well."""
    return replace(last, made=(*first.made, *last.made))


def as_failed(key: str, error: str, fix: str) -> ItemResult:
    """Return a failed item."""
    return ItemResult(key=key, status=Status.FAILED, error=error, fix=fix)


def skipped(key: str) -> ItemResult:
    """Return an item that was not begun."""
    return ItemResult(key=key, status=Status.SKIPPED)
