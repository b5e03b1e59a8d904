"""The relay's bytes: how a cut is told from an end, who is named when nothing moves, and how little it holds."""

from __future__ import annotations

import io
import struct
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from lunops.agent import pipe, receive, send
from lunops.agent.outcome import ItemError
from lunops.agent.system import System
from lunops.agent.zfs import Found
from lunops.connections import Timeouts, connect
from lunops.connections.inbox import Inbox
from lunops.connections.pipe import Pipe
from lunops.errors import AgentError, DeadlineError, UnreachableError
from lunops.model import Host
from lunops.relay import split
from lunops.sim.faults import Faults
from lunops.sim.head import SimulatedSystem

MIB = 1 << 20
STARTED = b'{"event":"pipe_started","id":"x"}\n'
FINISHED = b'{"event":"pipe_finished","id":"x","code":0,"said":"","bytes":5,"stalled":""}\n'


class Channel:
    """A channel that gives what it was given, in pieces, then ends or is silent."""

    def __init__(self, data: bytes, *, size: int = 1 << 16, ends: bool = False) -> None:
        self.pieces = [data[start : start + size] for start in range(0, len(data), size)]
        self.sent = b""
        self._ends = ends

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        assert timeout_s is None or timeout_s > 0
        self.sent += data

    def receive(self, _timeout_s: float) -> bytes | None:
        return self.pieces.pop(0) if self.pieces else (b"" if self._ends else None)

    def hold_little(self) -> None: ...

    def stderr_tail(self) -> str:
        return "its last words"

    def exit_code(self) -> int | None:
        return 1

    def close(self) -> None: ...


def frame(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def source(data: bytes, *, size: int = 1 << 16, ends: bool = False) -> Pipe:
    return Pipe(Channel(data, size=size, ends=ends), "x", is_source=True, start_s=1)


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 16])
def test_frames_and_lines_are_told_apart_in_whatever_pieces_they_come(size: int) -> None:
    alive = b'{"event":"alive"}\n'
    out = source(alive + STARTED + frame(b"ab\n{}") + frame(b"") + FINISHED, size=size)

    assert (out.read(1), out.read(1)) == (b"ab\n{}", b"")
    assert out.ending is not None
    assert (out.ending.code, out.ending.bytes_moved) == (0, 5)


def test_a_stream_that_ends_without_its_end_is_an_error_and_not_an_end() -> None:
    out = source(STARTED + frame(b"abc") + frame(b"de")[:5], ends=True)

    assert out.read(1) == b"abc"
    with pytest.raises(AgentError, match="in the middle of the stream, with exit code 1; its last words"):
        out.read(1)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", frame(b"") + b"no json\n", frame(b"") + b'{"event":"error","what":"x"}\n']
)
def test_what_is_not_in_the_protocol_is_an_error(data: bytes) -> None:
    with pytest.raises(AgentError):
        source(STARTED + data).read(1)


def test_a_head_that_does_not_begin_is_not_waited_for() -> None:
    with pytest.raises(DeadlineError, match="did not begin the stream within 1 s"):
        source(b"")


def test_no_more_of_a_stream_is_held_than_a_few_mib() -> None:
    inbox, came = Inbox(), [0]
    inbox.hold_little()

    def pump() -> None:
        for _ in range(64):
            inbox.put(bytes(MIB))
            came[0] += MIB

    threading.Thread(target=pump, daemon=True).start()
    taken = 0
    while taken < 64 * MIB:
        data = inbox.get(10)
        assert data is not None
        taken += len(data)
        assert len(data) <= 5 * MIB
        assert came[0] - taken <= 5 * MIB


def sim(tmp_path: Path, name: str, *, refer: int = 0) -> Host:
    host = Host(name=name, connection="sim", pools=(f"{name}-p",), state=tmp_path / f"{name}.sim")
    assert host.state is not None
    head = SimulatedSystem(host.state, pools=host.pools)
    if refer:
        head.run(["zfs", "create", "-s", "-V", "1G", f"{name}-p/big"])
        head.write_data(f"{name}-p/big", refer)
        head.run(["zfs", "snapshot", f"{name}-p/big@1"])
    head.close()
    return host


def test_a_stream_far_larger_than_what_may_be_held_passes_through_a_destination_that_is_slower(tmp_path: Path) -> None:
    size = 96 * MIB
    first, second = sim(tmp_path, "a", refer=size), sim(tmp_path, "b")
    assert second.state is not None
    SimulatedSystem(second.state).set_faults(Faults(delays_s={"zfs receive stream": 0.01}))
    here, there = connect(first), connect(second)
    marks = {"dst": "b-p/big", "marks": {}, "source": {"type": "volume"}, "base": ""}
    tracemalloc.start()
    into = there.pipe("receive", marks, stall_s=30)
    out = here.pipe("send", {"src": "a-p/big@1", "how": "full"}, stall_s=30)
    moved = 0
    while data := out.read(30):
        into.write(data, 30)
        moved += len(data)
    into.end()
    ending = into.finish(30)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    here.close()
    there.close()

    assert ending is not None
    assert (ending.code, ending.bytes_moved) == (0, moved)
    assert moved > size
    assert most < size // 4, f"{most} bytes were held of {moved}"


def test_a_destination_that_takes_nothing_is_ended_and_named(tmp_path: Path) -> None:
    first, second = sim(tmp_path, "a", refer=32 * MIB), sim(tmp_path, "b")
    assert second.state is not None
    SimulatedSystem(second.state).set_faults(Faults(delays_s={"zfs receive stream": 20.0}))
    here, there = connect(first), connect(second, timeouts=Timeouts(close_s=0.5))
    marks = {"dst": "b-p/big", "marks": {}, "source": {"type": "volume"}, "base": ""}
    into = there.pipe("receive", marks, stall_s=1)
    out = here.pipe("send", {"src": "a-p/big@1", "how": "full"}, stall_s=30)
    ending = None
    try:
        while ending is None and (data := out.read(30)):
            into.write(data, 30)
            ending = into.finish(0)
        ending = ending or into.finish(30)
    except UnreachableError:  # it was told, and then closed
        ending = into.finish(10)
    here.close()
    there.close()

    assert ending is not None
    assert "zfs receive took nothing for 1 s" in ending.stalled
    assert ending.code == -9


def agents_stream(data: bytes, argv: list[str]) -> tuple[dict[str, object], bytes]:
    """Let an agent's receiving end run a real command over some input; return what it tells of its end."""
    stdout = io.BytesIO()
    stream = pipe.Stream(System(), io.BytesIO(data), stdout, 5.0)
    told, _ = stream.run(pipe.RECEIVE, argv)
    return told, stdout.getvalue()


def test_a_commands_end_and_its_last_words_are_told(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    script = f"cat >{taken}; echo bad luck >&2; exit 3"

    told, _ = agents_stream(frame(b"ab") + frame(b"c") + frame(b""), ["sh", "-c", script])

    assert told == {"code": 3, "said": "bad luck", "bytes": 3, "stalled": ""}
    assert taken.read_bytes() == b"abc"


def test_a_cut_stream_ends_the_commands_input_so_that_it_keeps_what_it_has(tmp_path: Path) -> None:
    taken = tmp_path / "taken"

    told, _ = agents_stream(frame(b"ab") + frame(b"cdef")[:6], ["sh", "-c", f"cat >{taken}; echo cut >&2; exit 1"])

    assert (told["code"], told["said"]) == (1, "cut")
    assert taken.read_bytes() == b"ab"


def test_a_command_that_ends_too_early_or_is_not_there_is_told(tmp_path: Path) -> None:
    much = b"".join(frame(bytes(MIB)) for _ in range(8)) + frame(b"")

    assert agents_stream(much, ["sh", "-c", "exit 4"])[0]["code"] == 4
    assert agents_stream(much, [str(tmp_path / "nothing")])[0]["code"] == 127


def test_a_command_that_stands_still_is_ended_with_its_whole_group() -> None:
    began = time.monotonic()
    stream = pipe.Stream(System(), io.BytesIO(frame(bytes(MIB)) * 8), io.BytesIO(), 0.5)

    told, _ = stream.run(pipe.RECEIVE, ["sh", "-c", "sleep 1000 & sleep 1000"])

    assert "took nothing for 0.5 s" in str(told["stalled"])
    assert told["code"] == -9
    assert time.monotonic() - began < 60


WANTED = {"guid": "9", "type": "volume", "older": [["a", "7"], ["b", "8"]]}


def at(**properties: str) -> Found:
    found = Found("q/img")
    values = {"type": "volume", "written": "0", "receive_resume_token": "-", **properties}
    found.properties = {name: (value, "-") for name, value in values.items()}
    return found


@pytest.mark.parametrize(
    ("now", "snapshots", "how"),
    [
        (None, [], ("full", "")),
        (at(), [("x", "9")], ("none", "x")),
        (at(written="99999"), [("x", "9"), ("y", "1")], ("none", "x")),
        (at(), [("other", "8")], ("incremental", "other")),
        (at(written="1024"), [("b", "8")], ("incremental", "b")),  # what a rollback writes anew
        (at(), [("z", "1"), ("a", "7")], ("incremental", "a")),
        (at(receive_resume_token="1-a", written="77777"), [], ("resume", "")),
        (at(receive_resume_token="1-a"), [("b", "8")], ("resume", "b")),
    ],
)
def test_what_is_missing_is_decided_by_guids(
    now: Found | None, snapshots: list[tuple[str, str]], how: tuple[str, str]
) -> None:
    args = {"src": "p/img@c", "dst": "q/img", "source": WANTED}

    assert receive.decide(args, now, snapshots) == how


@pytest.mark.parametrize(
    ("now", "snapshots", "said"),
    [
        (at(), [], "has no snapshot"),
        (at(), [("z", "1")], "no snapshot in common with p/img@c; it has q/img@z"),
        (at(), [("b", "8"), ("z", "1")], "newer snapshots than q/img@b"),
        (at(), [("b", "8"), ("c", "1")], "q/img@c is there and is another snapshot than p/img@c"),
        (at(type="filesystem"), [], "is a filesystem, and p/img@c is of a volume"),
        (at(written="20480"), [("b", "8")], "was written to since q/img@b (20480 bytes)"),
        (at(written="20480", receive_resume_token="1-a"), [("b", "8")], "was written to"),
    ],
)
def test_what_would_have_to_be_thrown_away_is_refused(
    now: Found | None, snapshots: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(ItemError) as error:
        receive.decide({"src": "p/img@c", "dst": "q/img", "source": WANTED}, now, snapshots)
    assert said in error.value.what
    assert error.value.fix


def test_a_token_that_is_none_reaches_no_command() -> None:
    for token in ("-", "", "1-x; reboot", "-F", "1-ab\n"):
        with pytest.raises(ValueError, match="no resume token"):
            send.command({"how": "resume", "token": token})


def test_what_was_made_is_told_apart_by_head() -> None:
    here, there = ["clone", "p/x"], ["at", "b", ["received"]]

    assert split({"p/x": [here], "q/y": [there, here]}) == ({"p/x": [here], "q/y": [here]}, {"q/y": [there]})
