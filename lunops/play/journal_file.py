"""The journal of a run: a file of JSON lines from which `lunops run --resume RUN` goes on.

The first line says what was run, from which files; each further one what a task did for a head. A line is written
before the run goes on, so that it is there if this process is killed; the disk is made sure of many times a second.
What holds a secret is not written: such a task is done again.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import IO

from lunops.errors import PlaybookError
from lunops.model import ItemResult, Json, Status, TaskResult, Times
from lunops.near import hint
from lunops.play.journal import Journal
from lunops.play.state import Done, Effects, Made

KEPT = 50  # journals; the oldest go
_SYNC_S = 0.05
_VERSION = 2
INTERRUPTED, FAILED, DONE = "interrupted", "failed", "done"


class FileJournal(Journal):
    """Writes down what is done; recalls what another journal has."""

    def __init__(
        self,
        path: Path,
        head: Mapping[str, Json],
        *,
        recalled: Mapping[tuple[str, str], Done] | None = None,
        is_secret: Callable[[Json], bool] = lambda _value: False,
    ) -> None:
        """Begin the file, for its owner alone; `head` says what is run. Raises `PlaybookError` where it cannot."""
        self.name = path.stem  # what --resume is given
        self._recalled = dict(recalled or {})
        self._is_secret = is_secret
        self._lock = threading.Lock()
        self._closed = threading.Event()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        except OSError as error:
            fix = "set XDG_STATE_HOME to a folder that you may write to"
            raise PlaybookError(f"the journal cannot be written: {error.strerror}", where=str(path), fix=fix) from error
        self._file: IO[str] = os.fdopen(handle, "w", encoding="utf-8")
        self._write({"version": _VERSION, **head})
        self._thread = threading.Thread(target=self._sync, daemon=True)
        self._thread.start()
        prune(path.parent)

    def recall(self, head: str, key: str) -> Done | None:
        """Return what the run that is gone on with did."""
        done = self._recalled.get((head, key))
        if done is not None:
            self.note(head, key, done)
        return done

    def note(self, head: str, key: str, done: Done) -> None:
        """Write down what a task has done, if it went well, left nothing out, and holds no secret."""
        if (done.result.status.is_bad and not done.result.is_ignored) or not done.is_whole:
            return
        if done.result.status is Status.UNKNOWN:
            return
        if done.result.no_log:
            return
        try:
            line = json.loads(_line({"head": head, "key": key, **_as_json(done)}))
        except (TypeError, ValueError):
            return  # a value that JSON does not hold could not be given back as it was
        if not self._is_secret(line):
            self._write(line)

    def undone(self, head: str, keys: Set[str]) -> None:
        """Write down what was taken back."""
        self._write({"head": head, "undone": sorted(keys)})

    def close(self, end: str) -> None:
        """Say how the run ended."""
        self._write({"end": end})
        self._closed.set()
        self._thread.join()
        with self._lock:
            self._file.close()

    def _write(self, line: Mapping[str, Json]) -> None:
        text = _line(line)
        with self._lock:
            if not self._file.closed:  # after a second Ctrl-C, when a head's thread is still at work
                self._file.write(text + "\n")
                self._file.flush()

    def _sync(self) -> None:
        while not self._closed.wait(_SYNC_S):
            with contextlib.suppress(OSError):
                os.fsync(self._file.fileno())
        with contextlib.suppress(OSError):
            os.fsync(self._file.fileno())


def folder(environment: Mapping[str, str]) -> Path:
    """Return where journals are kept."""
    state = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "lunops" / "runs"


def prune(runs: Path) -> None:
    """Remove the oldest journals beyond those that are kept."""
    for path in _by_age(runs)[KEPT:]:
        path.unlink(missing_ok=True)


def _by_age(runs: Path) -> list[Path]:
    """Return the journals, the youngest first; others may remove some meanwhile."""
    found: list[tuple[float, Path]] = []
    for path in runs.glob("*.jsonl"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path))
    return [path for _age, path in sorted(found, reverse=True)]


def read(runs: Path, run: str) -> tuple[Mapping[str, Json], dict[tuple[str, str], Done]]:
    """Return what a run's journal says at its head, and what was done; raises `PlaybookError`."""
    path = runs / f"{run}.jsonl"
    known = [each.stem for each in _by_age(runs)]
    if run not in known:
        raise PlaybookError(f"there is no run {run!r}", where=str(runs), fix=hint(run, known, "runs"))
    done: dict[tuple[str, str], Done] = {}
    head: Mapping[str, Json] = {}
    try:
        for number, text in enumerate(path.read_text("utf-8").splitlines()):
            try:
                line = json.loads(text)
            except ValueError:
                break  # the last line, cut by a kill
            if number == 0:
                head = line
                if line.get("version") != _VERSION:
                    fix = "run the playbook anew: what is there already is kept"
                    raise PlaybookError("the journal is of another version of lunops", where=str(path), fix=fix)
            elif "end" in line:
                if line["end"] == DONE:
                    raise PlaybookError(
                        f"the run {run} ended well: there is nothing to go on with", where=str(path), fix="run it anew"
                    )
            elif "undone" in line:
                _forget(done, line["head"], frozenset(line["undone"]))
            else:
                done[line["head"], line["key"]] = _done(line)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PlaybookError(
            f"the journal cannot be read: {error}", where=str(path), fix="run the playbook anew"
        ) from error
    if not head:
        fix = "run the playbook anew: what is there already is kept"
        raise PlaybookError(
            "the journal has no beginning: the run was killed before it wrote it", where=str(path), fix=fix
        )
    return head, done


def _line(value: Mapping[str, Json]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def _forget(done: dict[tuple[str, str], Done], head: str, keys: Set[str]) -> None:
    """Take out the tasks of a head that made something which was taken back."""
    for place, each in list(done.items()):
        items = [item for result in (each.result, *(made.result for made in each.made)) for item in result.items]
        if place[0] == head and any(item.key in keys for item in items):
            del done[place]


def _as_json(done: Done) -> dict[str, Json]:
    effects = done.effects
    # `asdict` would copy all that was found, which takes longer than to write it.
    result = done.result
    bare = [{**vars(item), "made": ()} for item in result.items]
    return {
        "result": {**vars(result), "items": bare, "times": vars(result.times)},
        "said": dict(effects.said),
        "facts": dict(effects.facts),
        "notified": list(effects.notified),
        "made": [_made_as_json(each) for each in done.made],
    }


def _made_as_json(made: Made) -> dict[str, Json]:
    result = made.result
    return {
        "host": made.host,
        "become": made.become,
        "become_user": made.become_user,
        "task": [result.task_id, result.name, result.module],
        "items": {item.key: list(item.made) for item in result.items if item.made},
    }


def _made(line: Mapping[str, Json]) -> Made:
    task_id, name, module = line["task"]
    items = tuple(ItemResult(key=key, status=Status.CHANGED, made=tuple(made)) for key, made in line["items"].items())
    result = TaskResult(
        head=line["host"], task_id=task_id, name=name, module=module, status=Status.CHANGED, items=items
    )
    return Made(host=line["host"], become=line["become"], become_user=line["become_user"], result=result)


def _done(line: Mapping[str, Json]) -> Done:
    result = dict(line["result"])
    items = tuple(
        ItemResult(
            **{
                **item,
                "status": Status(item["status"]),
                **{name: tuple(item[name]) for name in ("changes", "rolled_back", "left_behind", "made")},
            }
        )
        for item in result.pop("items")
    )
    task = TaskResult(
        **{**result, "status": Status(result["status"]), "items": items, "times": Times(**result["times"])}
    )
    effects = Effects(said=line["said"], facts=line["facts"], notified=tuple(line["notified"]))
    return Done(result=task, effects=effects, made=tuple(_made(each) for each in line["made"]))
