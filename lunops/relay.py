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
from dataclasses import replace
from typing import Protocol

from lunops.connections.pipe import Pipe
from lunops.errors import HeadError
from lunops.model import Host, Item, ItemResult, Json, Status, Task, TaskResult
from lunops.relay_stream import TICK_S, Cut, Ends, Move, Stream
from lunops.relay_tasks import AT, SOURCE, Tasks, as_failed, at_peer, skipped, with_all

__all__ = ["SOURCE", "Relay", "split"]

OnItem = Callable[[ItemResult], None]
OnProgress = Callable[[str, int, int], None]  # item, bytes done, bytes in all as far as is known

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


class Relay:
    """Does the tasks of one source head that need a second one."""

    def __init__(self, source: Host, connect: Callable[[Host], PeerSession]) -> None:
        self._source = source
        self._connect = connect
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._telling = threading.Lock()  # an observer may take its time, and must not hold up the sessions
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
            with self._telling:
                ended[result.key] = result
                on_item(result)

        def progress(key: str, done: int, total: int) -> None:
            with self._telling:
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
        stream = Stream(total=size.data["bytes"])
        try:
            self._stream(tasks, item, found, how, stream, deadline, on_progress)
        except Cut as cut:
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
        stream: Stream,
        deadline: float,
        on_progress: OnProgress,
    ) -> None:
        """Move a whole stream, or raise `Cut` saying who broke it; what is read and fed is then closed."""
        assert item.peer is not None
        stall_s = float(item.args["stall_s"])
        with self._session(self._source, cut=True) as here, self._session(item.peer, cut=True) as there:
            try:
                into = there.pipe("receive", tasks.receive_args(item, found, how), stall_s=stall_s)
                out = here.pipe("send", tasks.send_args(item, how), stall_s=stall_s)
            except HeadError as error:
                raise Cut(str(error)) from error
            with self._watched(item.key, stream, there, on_progress):
                ends = Ends(source=self._source.name, destination=item.peer.name, out=out, into=into)
                Move(ends, stall_s=stall_s, cancelled=self._cancelled, deadline=deadline).run(stream)

    @contextlib.contextmanager
    def _watched(self, key: str, stream: Stream, there: PeerSession, on_progress: OnProgress) -> Iterator[None]:
        """Tell progress while the block runs; once cancelled, close what it may be waiting to write to."""
        over = threading.Event()

        def watch() -> None:
            cancelled_at = 0.0
            while not over.wait(TICK_S):
                on_progress(key, stream.done, max(stream.done, stream.total))
                if self._cancelled.is_set():
                    cancelled_at = cancelled_at or time.monotonic()
                    if time.monotonic() - cancelled_at > 2 * TICK_S:
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
                raise (Cut(str(error)) if cut else error) from error
        try:
            yield session
        except BaseException:
            session.close()
            raise
        with self._lock:
            self._idle.setdefault(host.name, []).append(session)


def split(made: Mapping[str, Sequence[Json]]) -> tuple[dict[str, list[Json]], dict[str, list[Json]]]:
    """Return what items made on the plan's own head, and what on others."""
    own: dict[str, list[Json]] = {}
    other: dict[str, list[Json]] = {}
    for key, entries in made.items():
        for entry in entries:
            (other if entry[0] == AT else own).setdefault(key, []).append(entry)
    return own, other
