"""command and shell on this very machine: real processes, and none of them left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lunops.agent_bundle import bootstrap_argv, preamble
from lunops.connections import connect
from lunops.connections.session import Session
from lunops.errors import InputError
from lunops.inventory import parse
from lunops.model import ItemResult, Status, Task
from lunops.modules import MODULES, Context
from lunops.modules.base import distinct
from lunops.render import Templates

HOST = parse("here connection=local", Path("inv")).hosts["here"]
CONTEXT = Context(host=HOST, templates=Templates({}))


def task(module: str, *args: Any, timeout_s: float = 30.0) -> Task:
    items = distinct([MODULES[module].item(each, CONTEXT, "plan.yml:3") for each in args])
    return Task(id="01:x", name="x", module=module, items=items, timeout_s=timeout_s)


@pytest.fixture
def session() -> Iterator[Session]:
    session = connect(HOST)
    yield session
    session.close()


def do(session: Session, module: str, args: Any, *, check: bool = False, timeout_s: float = 30.0) -> ItemResult:
    (item,) = session.run(task(module, args, timeout_s=timeout_s), check=check).items
    return item


def live(marker: str) -> list[str]:
    """Return the processes that have the marker among their words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in words.split(b"\0"):
            found.append(folder.name)
    return found


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_command_tells_what_ansibles_does(session: Session) -> None:
    item = do(session, "command", {"cmd": "printf 'a b\\nc\\n'"})

    assert item.status is Status.CHANGED
    assert item.changes == ("run: printf 'a b\\nc\\n'",)
    data = item.data
    assert (data["rc"], data["stdout"], data["stdout_lines"], data["stderr"]) == (0, "a b\nc", ["a b", "c"], "")
    assert (data["cmd"], data["stderr_lines"], data["msg"]) == (["printf", "a b\\nc\\n"], [], "")
    assert data["delta"].startswith("0:00:0")
    assert data["start"] <= data["end"]


def test_a_command_is_no_shell_and_a_shell_is_one(session: Session) -> None:
    assert do(session, "command", {"argv": ["echo", "$HOME", "|", "wc"]}).data["stdout"] == "$HOME | wc"
    item = do(session, "shell", {"cmd": "X=1; echo $X | sed s/1/2/; echo no >&2"})
    assert (item.data["stdout"], item.data["stderr"]) == ("2", "no")
    assert do(session, "shell", {"cmd": "echo $0", "executable": "/bin/bash"}).data["stdout"] == "/bin/bash"


def test_what_ends_with_another_code_has_failed_and_all_is_told(session: Session) -> None:
    item = do(session, "shell", {"cmd": "echo out; echo first >&2; echo bad thing >&2; exit 3"})

    assert item.status is Status.FAILED
    assert item.error == "non-zero return code 3: bad thing"
    assert (item.data["rc"], item.data["msg"], item.data["stdout"]) == (3, "non-zero return code", "out")


def test_a_program_or_folder_that_is_not_there_is_said(session: Session) -> None:
    item = do(session, "command", {"cmd": "no-such-program-here"})
    assert (item.status, item.data["rc"]) == (Status.FAILED, 2)
    assert "no-such-program-here: No such file" in item.error
    item = do(session, "command", {"cmd": "true", "chdir": "/no/such/folder"})
    assert "/no/such/folder: No such file" in item.error


def test_input_folder_and_environment_are_as_they_are_given(session: Session, tmp_path: Path) -> None:
    assert do(session, "command", {"cmd": "od -c", "stdin": "x"}).data["stdout_lines"][0].split()[1:] == ["x", "\\n"]
    plain = {"cmd": "cat", "stdin": "x", "stdin_add_newline": False, "strip_empty_ends": False}
    assert do(session, "command", plain).data["stdout"] == "x"
    assert do(session, "command", {"cmd": "pwd", "chdir": str(tmp_path)}).data["stdout"] == str(tmp_path)
    environment = {"cmd": "echo $A-$B", "environment": {"A": 1, "B": True}}
    assert do(session, "shell", environment).data["stdout"] == "1-true"
    assert do(session, "command", {"cmd": "echo", "strip_empty_ends": False}).data["stdout"] == "\n"


def test_what_is_given_to_its_input_is_in_no_ones_words(session: Session) -> None:
    secret = "canary-7f3a"
    item = do(session, "shell", {"cmd": "cat >/dev/null; cat /proc/self/cmdline /proc/$PPID/cmdline", "stdin": secret})

    assert secret not in item.data["stdout"]
    assert secret not in str(item)


def test_creates_and_removes_with_wildcards_say_whether_it_need_run(session: Session, tmp_path: Path) -> None:
    (tmp_path / "made.txt").write_text("x")
    made = {"cmd": "true", "creates": f"{tmp_path}/m*.t[x]t"}
    relative = {"cmd": "true", "chdir": str(tmp_path), "removes": "made.txt"}

    for check in (False, True):
        item = do(session, "command", made, check=check)
        assert (item.status, item.data["stdout"]) == (Status.OK, f"skipped, since {tmp_path}/m*.t[x]t exists")
        assert do(session, "command", {**made, "creates": f"{tmp_path}/n*"}, check=check).status is Status.CHANGED
        assert do(session, "command", relative, check=check).status is Status.CHANGED
        item = do(session, "command", {**relative, "removes": "gone"}, check=check)
        assert (item.status, item.data["rc"]) == (Status.OK, 0)


def test_check_mode_runs_nothing_and_does_not_pretend_to_know(session: Session, tmp_path: Path) -> None:
    item = do(session, "command", {"cmd": f"touch {tmp_path}/x"}, check=True)

    assert (item.status, item.changes) == (Status.UNKNOWN, ())
    assert not (tmp_path / "x").exists()
    assert "stdout" not in item.data


@pytest.mark.parametrize("module", ["command", "shell"])
def test_a_check_of_its_own_tells_in_both_modes(session: Session, tmp_path: Path, module: str) -> None:
    path = tmp_path / "x"
    args = {"cmd": f"touch {path}", "check": f"test -e {path}"}

    assert do(session, module, args, check=True).status is Status.CHANGED
    assert not path.exists()
    assert do(session, module, args).status is Status.CHANGED
    assert path.exists()
    before = path.stat().st_mtime_ns
    assert do(session, module, args).status is Status.OK
    assert do(session, module, args, check=True).status is Status.OK
    assert path.stat().st_mtime_ns == before


def test_a_loop_runs_one_after_the_other_and_goes_on_after_a_failure(session: Session, tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [f"sleep 0.{4 - n}; echo {n} >> {log}; exit {n % 2}" for n in range(4)]
    result = session.run(task("shell", *({"cmd": line} for line in lines)))

    assert log.read_text() == "0\n1\n2\n3\n"
    assert [item.status for item in result.items] == [Status.CHANGED, Status.FAILED] * 2


def test_the_same_command_twice_is_two_items(session: Session) -> None:
    result = session.run(task("command", {"cmd": "true"}, {"cmd": "true"}))

    assert [item.key for item in result.items] == ["true", "true (2)"]


def test_much_output_is_cut_and_it_is_said(session: Session) -> None:
    item = do(session, "shell", {"cmd": "head -c 11000000 /dev/zero | tr '\\0' x"})
    text, note = item.data["stdout"].rsplit("\n", 1)
    assert (len(text), note) == (10 << 20, f"[lunops: cut here, {11000000 - (10 << 20)} bytes are left out]")
    item = do(session, "shell", {"cmd": "head -c 9000000 /dev/zero"})  # six letters each on their way
    assert item.status is Status.CHANGED
    assert "[lunops: cut here," in item.data["stdout"]


def test_what_it_leaves_in_the_background_is_not_waited_for(session: Session) -> None:
    begun = time.monotonic()
    item = do(session, "shell", {"cmd": "sleep 5.25 & echo started"})

    assert item.data["stdout"] == "started"
    assert time.monotonic() - begun < 4


TREE = "trap '' TERM; (sleep {0} & sleep {0}); sleep {0}"  # does not end by SIGTERM, and has children


def test_at_the_deadline_all_that_it_started_is_ended(session: Session) -> None:
    item = do(session, "shell", {"cmd": TREE.format("301.5")}, timeout_s=1.0)

    assert item.status is Status.FAILED
    assert item.data["stopped"] is True
    assert item.data["left"] == []
    assert "the task's time was over: the command and all that it had started were stopped" in item.error
    assert live("301.5") == []


def test_a_cancelled_run_ends_all_that_it_started(session: Session) -> None:
    done: list[ItemResult] = []
    thread = threading.Thread(target=lambda: done.append(do(session, "shell", {"cmd": TREE.format("302.5")})))
    thread.start()
    wait_until(lambda: len(live("302.5")) >= 2)
    session.cancel()
    thread.join(10)

    assert "the run was cancelled" in done[0].error
    assert live("302.5") == []


def test_a_lost_connection_ends_all_that_it_started() -> None:
    agent = subprocess.Popen(bootstrap_argv(sys.executable), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert agent.stdin is not None
    item = MODULES["shell"].item({"cmd": TREE.format("303.5")}, CONTEXT, "x")
    request = {"do": "task", "id": "1", "module": "shell", "items": [{"key": "x", "args": dict(item.args)}]}
    agent.stdin.write(preamble() + json.dumps(request).encode() + b"\n")
    agent.stdin.flush()
    wait_until(lambda: len(live("303.5")) >= 2)
    agent.stdin.close()

    assert agent.wait(8) == 0
    assert live("303.5") == []


def test_a_command_that_ends_by_sigterm_is_given_the_time_to_do_so(session: Session, tmp_path: Path) -> None:
    line = f"trap 'echo bye > {tmp_path}/bye; exit 0' TERM; while :; do sleep 0.1; done"
    item = do(session, "shell", {"cmd": line}, timeout_s=1.0)

    assert item.data["stopped"] is True
    assert (tmp_path / "bye").read_text() == "bye\n"


def test_what_made_a_session_of_its_own_outlives_its_task(session: Session, tmp_path: Path) -> None:
    line = f"setsid sleep 304.5 & echo $! > {tmp_path}/pid; sleep 304.6"
    do(session, "shell", {"cmd": line}, timeout_s=1.0)

    assert live("304.6") == []
    (left,) = live("304.5")
    os.kill(int(left), signal.SIGKILL)


@pytest.mark.parametrize(
    ("module", "args", "said"),
    [
        ("command", {}, "give one of 'cmd' and 'argv'"),
        ("command", {"cmd": "ls", "argv": ["ls"]}, "give one of 'cmd' and 'argv'"),
        ("command", {"cmd": "echo 'a"}, "cannot be split into words: No closing quotation"),
        ("command", {"cmd": "  "}, "cmd is empty"),
        ("command", {"argv": []}, "argv"),
        ("command", {"cmd": "ls", "chdir": "tmp"}, "'tmp' is not an absolute path"),
        ("command", {"cmd": "ls", "creates": "x"}, "creates: 'x' is relative to no folder"),
        ("command", {"cmd": "ls", "environment": {"A-B": "x"}}, "'A-B' is not a variable's name"),
        ("command", {"cmd": "ls", "chek": "x"}, "did you mean 'check'"),
        ("shell", {"cmd": ""}, "cmd is empty"),
        ("shell", {"cmd": "ls", "executable": "bash"}, "not an absolute path"),
    ],
)
def test_wrong_arguments_are_refused(module: str, args: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        task(module, args)
    assert said in str(error.value)
