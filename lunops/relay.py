"""Bring snapshots from one head to others: this machine passes the stream on, so the heads need not know each other.

Both ends are agents. What is wanted is decided by them (`lunops.agent.send`, `lunops.agent.receive`); here is the order
of the questions, the bytes, and what a broken stream means. A relay holds a few MiB of a stream and no more: it reads
on only when the other end has taken what was read before.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lunops.connections.pipe import Ending, Pipe
from lunops.errors import DeadlineError, HeadError, LunopsError
from lunops.model import Host, Item, ItemResult, Json, Status, Task, TaskResult
from lunops.relay_tasks import AT, SOURCE, Tasks, as_failed, at_peer, skipped, with_all

__all__ = ["SOURCE", "Relay", "split"]

OnItem = Callable[[ItemResult], None]
OnProgress = Callable[[str, int, int], None]  # item, bytes done, bytes in all as far as is known

_TICK_S = 0.5  # how often progress is told, and cancelling is noticed
_MARGIN_S = 15.0  # the agents find a stall first, and know more of it
_GRACE_S = 5.0
_AGAIN = "run the same again: it goes on from what has arrived"


class PeerSession(Protocol):
    """What is needed of a session; `lunops.connections.Session` is one."""

    def run(self, task: Task, *, check: bool = False, on_item: OnItem | None = None) -> TaskResult:
        """Do a task."""

    def undo(self, task_id: str, made: Mapping[str, Sequence[Json]]) -> tuple[ItemResult, ...]:
        """Take back what was made."""

    def pipe(self, side: str, args: Json, *, stall_s: float) -> Pipe:
        """Make the head one end of a stream."""

    def close(self) -> None:
        """End the session."""


class _Cut(Exception):
    """A stream broke; what arrived is kept."""


@dataclass(kw_only=True)
class _Stream:
    """What a stream's own thread and the one that watches it share."""

    total: int
    done: int = 0


class Relay:
    """Does the tasks of one source head that need a second one."""

    def __init__(self, source: Host, connect: Callable[[Host], PeerSession]) -> None:
        self._source = source
        self._connect = connect
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._idle: dict[str, list[PeerSession]] = {}  # by head

    def cancel(self) -> None:
        """Cut what runs, so that it can be gone on with, and begin nothing more; from any thread."""
        self._cancelled.set()

    def close(self) -> None:
        """End all sessions."""
        with self._lock:
            sessions = [session for idle in self._idle.values() for session in idle]
            self._idle.clear()
        for session in sessions:
            session.close()

    def run(
        self, session: PeerSession, task: Task, *, check: bool, on_item: OnItem, on_progress: OnProgress
    ) -> TaskResult:
        """Do a task; `session` is the source's own. Raises `HeadError` where the source is lost before it begins.

        A destination that cannot be reached fails its items alone.
        """
        begun = time.monotonic()
        tasks = Tasks(task, self._source.name)
        looked = session.run(tasks.look_at_source(), check=True)
        ended: dict[str, ItemResult] = {}
        waiting: list[tuple[Item, ItemResult]] = []
        bugs: list[Exception] = []
        deadline = begun + task.timeout_s

        def tell(result: ItemResult) -> None:
            with self._lock:
                ended[result.key] = result
                on_item(result)

        def progress(key: str, done: int, total: int) -> None:
            with self._lock:
                on_progress(key, done, total)

        by_key = {item.key: item for item in task.items}
        for found in looked.items:
            if found.status is Status.OK:
                waiting.append((by_key[found.key], found))
            else:
                tell(found)
        waiting.reverse()

        def work() -> None:
            while True:
                with self._lock:
                    if not waiting:
                        return
                    item, found = waiting.pop()
                try:
                    tell(self._one(tasks, item, found.data, deadline, progress, check=check))
                except Exception as error:
                    bugs.append(error)
                    return

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(max(1, task.forks), len(waiting)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if bugs:
            raise bugs[0]
        return tasks.result(ended, looked, time.monotonic() - begun)

    def undo(self, task_id: str, peers: Mapping[str, Host], made: Mapping[str, Sequence[Json]]) -> list[ItemResult]:
        """Take back what was made on other heads, as `split` gave it."""
        results = []
        for key, entries in made.items():
            name = entries[-1][1]
            try:
                if name not in peers:
                    raise HeadError(f"the head {name} is not known any more", fix="look at it by hand")
                with self._session(peers[name]) as session:
                    found = session.undo(task_id, {key: [entry[2] for entry in entries]})
                results += [at_peer(each, name) for each in found]
            except HeadError as error:
                results.append(as_failed(key, f"on {name}: not taken back: {error.what}", error.fix))
        return results

    def _one(
        self, tasks: Tasks, item: Item, found: Json, deadline: float, on_progress: OnProgress, *, check: bool
    ) -> ItemResult:
        """Bring one item to its head, whatever goes wrong being its result."""
        if self._cancelled.is_set():
            return skipped(item.key)
        assert item.peer is not None  # its module gives every item one
        begun = time.monotonic()
        try:
            result = self._bring(tasks, item, item.peer, found, deadline, on_progress, check=check)
        except HeadError as error:
            place = f"{error.what} ({error.where})" if error.where else error.what
            result = as_failed(item.key, place, error.fix)
        return replace(result, seconds=time.monotonic() - begun)

    def _bring(
        self,
        tasks: Tasks,
        item: Item,
        peer: Host,
        found: Json,
        deadline: float,
        on_progress: OnProgress,
        *,
        check: bool,
    ) -> ItemResult:
        with self._session(peer) as there:
            looked = tasks.ask(there, tasks.look(item, found), check=True)
            if looked.status.is_bad or looked.data["how"] == "none":
                return at_peer(looked, peer.name)
            how = looked.data
        with self._session(self._source) as here:
            size = tasks.ask(here, tasks.estimate(item, how), check=True)
            if size.status.is_bad:
                return size
        words = f"{size.data['command']} | {how['command']}  # to {peer.name}"
        if check:
            said = f"{how['how']}, about {size.data['bytes']} bytes"
            data = {"how": how["how"], "total": size.data["bytes"]}
            return replace(size, status=Status.CHANGED, changes=(*looked.changes, words, said), data=data)
        with self._session(peer) as there:
            prepared = tasks.ask(there, tasks.prepare(item, found), check=False) if looked.changes else looked
            if prepared.status.is_bad:
                return at_peer(prepared, peer.name)
        begun = time.monotonic()
        stream = _Stream(total=size.data["bytes"])
        try:
            self._stream(tasks, item, found, how, stream, deadline, on_progress)
        except _Cut as cut:
            return self._after_cut(tasks, item, peer, found, prepared, f"{cut}, after {stream.done} bytes")
        seconds = time.monotonic() - begun
        with self._session(peer) as there:
            finished = tasks.ask(there, tasks.finish(item, found, how), check=False)
        result = at_peer(with_all(prepared, finished), peer.name)
        said = f"{how['how']}, {stream.done} bytes in {seconds:.1f} s"
        data = {
            **(finished.data or {}),
            "how": how["how"],
            "bytes": stream.done,
            "total": stream.total,
            "seconds": round(seconds, 3),
        }
        if result.status.is_bad:
            return replace(result, data=data)
        return replace(result, status=Status.CHANGED, changes=(*prepared.changes, words, said), data=data)

    def _stream(
        self,
        tasks: Tasks,
        item: Item,
        found: Json,
        how: Json,
        stream: _Stream,
        deadline: float,
        on_progress: OnProgress,
    ) -> None:
        """Move a whole stream, or raise `_Cut` saying who broke it; what is read and fed is then closed."""
        assert item.peer is not None
        stall_s = float(item.args["stall_s"])
        with self._session(self._source, cut=True) as here, self._session(item.peer, cut=True) as there:
            try:
                into = there.pipe("receive", tasks.receive_args(item, found, how), stall_s=stall_s)
                out = here.pipe("send", tasks.send_args(item, how), stall_s=stall_s)
            except HeadError as error:
                raise _Cut(str(error)) from error
            with self._watched(item.key, stream, there, on_progress):
                _Move(self._source.name, item.peer.name, out, into, stall_s, self._cancelled, deadline).run(stream)

    @contextlib.contextmanager
    def _watched(self, key: str, stream: _Stream, there: PeerSession, on_progress: OnProgress) -> Iterator[None]:
        """Tell progress while the block runs; once cancelled, close what it may be waiting to write to."""
        over = threading.Event()

        def watch() -> None:
            cancelled_at = 0.0
            while not over.wait(_TICK_S):
                on_progress(key, stream.done, max(stream.done, stream.total))
                if self._cancelled.is_set():
                    cancelled_at = cancelled_at or time.monotonic()
                    if time.monotonic() - cancelled_at > 2 * _TICK_S:
                        there.close()
                        return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        on_progress(key, stream.done, max(stream.done, stream.total))

    def _after_cut(
        self, tasks: Tasks, item: Item, peer: Host, found: Json, prepared: ItemResult, what: str
    ) -> ItemResult:
        """Say what a cut stream left; take the parents back if that is nothing."""
        failed = as_failed(item.key, what, _AGAIN)
        try:
            with self._session(peer) as there:
                look = tasks.ask(there, tasks.look(item, found), check=True)
                if not look.status.is_bad and look.data["how"] == "resume":
                    return replace(failed, left_behind=(f"zfs receive -A {item.key}  # on {peer.name}",))
                if prepared.made:
                    there.undo(tasks.task.id, {item.key: list(prepared.made)})
        except HeadError as error:
            return replace(failed, error=f"{what}; and what arrived cannot be seen now: {error.what}")
        return replace(failed, fix="nothing had arrived: mend what it says, and run the same again")

    @contextlib.contextmanager
    def _session(self, host: Host, *, cut: bool = False) -> Iterator[PeerSession]:
        """Lend a session with a head, an idle one if there is; if the block raises, it is closed.

        With `cut`, an error in the block is a stream's, and closing the session is how the head hears of it.
        """
        with self._lock:
            idle = self._idle.get(host.name)
            session = idle.pop() if idle else None
        if session is None:
            try:
                session = self._connect(host)
            except HeadError as error:
                raise (_Cut(str(error)) if cut else error) from error
        try:
            yield session
        except BaseException:
            session.close()
            raise
        with self._lock:
            self._idle.setdefault(host.name, []).append(session)


class _Move:
    """Moves the bytes of one stream."""

    def __init__(
        self,
        source: str,
        destination: str,
        out: Pipe,
        into: Pipe,
        stall_s: float,
        cancelled: threading.Event,
        deadline: float,
    ) -> None:
        self._source = source
        self._destination = destination
        self._out = out
        self._into = into
        self._stall_s = stall_s
        self._cancelled = cancelled
        self._deadline = deadline

    def run(self, stream: _Stream) -> None:
        """Move all of it; raises `_Cut`, the source told to end."""
        try:
            while data := self._read():
                self._write(data)
                stream.done += len(data)
            ending = self._out.ending
            if ending is None or ending.code != 0 or ending.stalled:
                raise self._ended(self._source, "send", ending)
            self._finish()
        except _Cut:
            with contextlib.suppress(HeadError):
                self._out.cancel(_GRACE_S)
            raise

    def _read(self) -> bytes:
        waited_until = time.monotonic() + self._stall_s + _MARGIN_S
        while True:
            self._look()
            try:
                data = self._out.read(_TICK_S)
            except HeadError as error:
                raise _Cut(f"{self._source}: {error.what}") from error
            if data is not None:
                return data
            if time.monotonic() > waited_until:
                raise _Cut(f"{self._source} sent nothing for {self._stall_s:g} s")

    def _look(self) -> None:
        """Raise if it is time to end, or if the destination has ended already."""
        if self._cancelled.is_set():
            raise _Cut("cancelled")
        if time.monotonic() > self._deadline:
            raise _Cut("the task's time was over")
        try:
            early = self._into.finish(0)
        except HeadError as error:
            raise _Cut(f"{self._destination}: {error.what}") from error
        if early is not None:
            raise self._ended(self._destination, "receive", early)

    def _write(self, data: bytes) -> None:
        try:
            self._into.write(data, self._stall_s + _MARGIN_S)
        except HeadError as error:
            if self._cancelled.is_set():
                raise _Cut("cancelled") from error
            with contextlib.suppress(HeadError):  # it may have said why it takes no more
                if early := self._into.finish(_GRACE_S):
                    raise self._ended(self._destination, "receive", early) from error
            if isinstance(error, DeadlineError):
                raise _Cut(f"{self._destination} took nothing for {self._stall_s:g} s") from error
            raise _Cut(f"{self._destination}: {error.what}") from error

    def _finish(self) -> None:
        try:
            self._into.end()
            ending = self._into.finish(self._stall_s + _MARGIN_S)
        except LunopsError as error:
            raise _Cut(f"{self._destination}: {error.what}") from error
        if ending is None:
            raise _Cut(f"{self._destination} did not end within {self._stall_s:g} s of the stream's end")
        if ending.code != 0 or ending.stalled:
            raise self._ended(self._destination, "receive", ending)

    def _ended(self, head: str, side: str, ending: Ending | None) -> _Cut:
        if ending is None:
            return _Cut(f"{head}: zfs {side} ended without a word")
        if ending.stalled:
            return _Cut(f"{head}: {ending.stalled}")
        said = " / ".join(line.strip() for line in ending.said.splitlines() if line.strip())
        how = f"by signal {-ending.code}" if ending.code < 0 else f"with exit code {ending.code}"
        return _Cut(f"{head}: zfs {side} ended {how}" + (f": {said}" if said else ""))


def split(made: Mapping[str, Sequence[Json]]) -> tuple[dict[str, list[Json]], dict[str, list[Json]]]:
    """Return what items made on the plan's own head, and what on others."""
    own: dict[str, list[Json]] = {}
    other: dict[str, list[Json]] = {}
    for key, entries in made.items():
        for entry in entries:
            (other if entry[0] == AT else own).setdefault(key, []).append(entry)
    return own, other
