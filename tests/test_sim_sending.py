"""Streams on a simulated head: it says what a real one was recorded or seen to say, and keeps what was cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.agent.piped import Piped
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem
from tests.recorded import replay

RECORDED = Path(replay.__file__).parent / "sending.jsonl"
GOLDEN = "p/images/golden@1"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[SimulatedSystem]:
    head = SimulatedSystem(tmp_path / "here", pools=["p"])
    yield head
    head.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[SimulatedSystem]:
    head = SimulatedSystem(tmp_path / "there", pools=["q"])
    yield head
    head.close()


def stream(head: SimulatedSystem, *words: str) -> bytes:
    piped = head.pipe(["zfs", "send", *words], feed=False)
    data = b""
    while more := os.read(piped.fd, 1 << 20):
        data += more
    assert ended(piped) == (0, "")
    return data


def receive(head: SimulatedSystem, data: bytes, *words: str) -> tuple[int | None, str]:
    piped = head.pipe(["zfs", "receive", *words], feed=True)
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(piped.fd, rest) :]
    except BrokenPipeError:
        pass
    return ended(piped)


def ended(piped: Piped) -> tuple[int | None, str]:
    piped.close()
    return piped.wait(30), piped.said()


def get(head: SimulatedSystem, name: str, key: str) -> str:
    return head.run(["zfs", "get", "-Hp", "-o", "value", key, name]).out.strip()


def test_every_recorded_call_is_answered_as_by_the_real_head(tmp_path: Path) -> None:
    head = SimulatedSystem(tmp_path / "head", pools=["jbod-01-p01"])
    with RECORDED.open(encoding="utf-8") as lines:
        calls = list(replay.calls(lines))
    different = [
        (arguments, real, simulated)
        for method, arguments, real in calls
        if (simulated := replay.ask(head, method, arguments)) != real
    ]
    head.close()

    assert len(calls) > 15
    assert different == []


def test_a_whole_stream_brings_the_snapshot_with_its_guid_and_the_device(
    here: SimulatedSystem, there: SimulatedSystem
) -> None:
    data = stream(here, "-Lec", GOLDEN)
    told = here.run(["zfs", "send", "-nvP", "-Lec", GOLDEN]).out

    assert receive(there, data, "-s", "-u", "-o", "a:b=c", "q/g") == (0, "")
    assert get(there, "q/g@1", "guid") == get(here, GOLDEN, "guid")
    assert (get(there, "q/g", "a:b"), get(there, "q/g", "volsize")) == ("c", str(64 << 20))
    assert there.exists("/dev/zvol/q/g")
    assert abs(int(told.split("size\t")[1]) - len(data)) < 4096


def test_a_cut_stream_is_kept_and_gone_on_with_and_can_be_given_up(
    here: SimulatedSystem, there: SimulatedSystem
) -> None:
    data = stream(here, GOLDEN)
    code, said = receive(there, data[: 5 << 20], "-s", "q/g")
    token = get(there, "q/g", "receive_resume_token")
    again = receive(there, data, "-s", "q/g")
    told = here.run(["zfs", "send", "-nvP", "-t", token])
    rest = stream(here, "-t", token)
    cut_again = receive(there, rest[: 2 << 20], "-s", "q/g")
    last = stream(here, "-t", get(there, "q/g", "receive_resume_token"))

    assert code == 1
    assert said.startswith(
        "cannot receive new filesystem stream: checksum mismatch or incomplete stream.\n"
        "Partially received snapshot is saved.\n"
    )
    assert token in said
    assert "destination 'q/g' exists\nmust specify -F" in again[1]
    assert "\ttoname = p/images/golden@1\n" in told.out
    assert f"\ttoguid = {int(get(here, GOLDEN, 'guid')):#x}\n" in told.out
    assert len(last) < len(rest) < len(data)
    assert cut_again[1].startswith("cannot receive resume stream: checksum mismatch")
    assert get(there, "q/g", "volsize") == "0"
    assert receive(there, last, "-s", "q/g") == (0, "")
    assert get(there, "q/g", "receive_resume_token") == "-"
    assert receive(there, rest, "-s", "q/h")[1] == "cannot receive resume stream: destination 'q/h' does not exist\n"
    receive(there, data[: 5 << 20], "-s", "q/h")
    assert there.run(["zfs", "receive", "-A", "q/h"]).code == 0
    assert there.run(["zfs", "list", "q/h"]).code == 1


def test_an_increment_fits_on_its_base_alone(here: SimulatedSystem, there: SimulatedSystem) -> None:
    receive(there, stream(here, GOLDEN), "-s", "q/g")
    here.write_data("p/images/golden", 3 << 20)
    here.run(["zfs", "snapshot", "p/images/golden@2"])
    data = stream(here, "-i", "@1", "p/images/golden@2")

    assert len(data) < 4 << 20
    assert "most recent snapshot of q/images/golden does not\nmatch" in receive(there, data, "q/images/golden")[1]
    assert receive(there, data, "q/x")[1] == "cannot receive incremental stream: destination 'q/x' does not exist\n"
    there.write_data("q/g", 1 << 20)
    assert "destination q/g has been modified\nsince most recent snapshot" in receive(there, data, "q/g")[1]
    there.run(["zfs", "rollback", "q/g@1"])
    receive(there, data[: 2 << 20], "-s", "q/g")
    assert 'contains partially-complete state from "zfs receive -s"' in receive(there, data, "-s", "q/g")[1]
    there.run(["zfs", "receive", "-A", "q/g"])
    assert there.run(["zfs", "list", "q/g@1"]).code == 0
    assert receive(there, data, "-s", "q/g") == (0, "")
    assert get(there, "q/g@2", "guid") == get(here, "p/images/golden@2", "guid")


def test_a_token_whose_snapshot_is_gone_is_stale(here: SimulatedSystem, there: SimulatedSystem) -> None:
    here.run(["zfs", "create", "-s", "-V", "16M", "p/v"])
    here.write_data("p/v", 6 << 20)
    here.run(["zfs", "snapshot", "p/v@1"])
    receive(there, stream(here, "p/v@1")[: 2 << 20], "-s", "q/v")
    token = get(there, "q/v", "receive_resume_token")
    here.run(["zfs", "destroy", "p/v@1"])
    output = here.run(["zfs", "send", "-nvP", "-t", token])

    assert output.code == 255
    assert output.err == "cannot resume send: 'p/v@1' used in the initial send no longer exists\n"


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"", "q/x", "cannot receive: failed to read from stream"),
        (b"junk" * 100 + b"\n", "q/x", "cannot receive: invalid stream (bad magic number)"),
        (None, "q/no/x", "cannot open 'q/no': dataset does not exist\ncannot receive new filesystem stream: unable"),
        (None, "q/images/golden/x", "parent 'q/images/golden' is not a filesystem"),
    ],
)
def test_what_cannot_be_received_is_refused_in_zfs_words(
    here: SimulatedSystem, there: SimulatedSystem, data: bytes | None, name: str, said: str
) -> None:
    code, text = receive(there, stream(here, GOLDEN) if data is None else data, "-s", name)

    assert code == 1
    assert said in text


def test_a_fault_strikes_in_the_middle_of_a_stream(here: SimulatedSystem, there: SimulatedSystem) -> None:
    there.set_faults(Faults(faults=(Fault(on="zfs receive stream", nth=4, code=-9, stderr="x"),)))

    assert receive(there, stream(here, GOLDEN), "-s", "q/g")[0] == -9
    assert get(there, "q/g", "referenced") != "0"
    assert get(there, "q/g", "receive_resume_token").startswith("1-")
