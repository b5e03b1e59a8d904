"""wait_for and facts on this very machine."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lunops.connections import connect
from lunops.connections.session import Session
from lunops.errors import InputError
from lunops.inventory import parse
from lunops.model import ItemResult, Status, Task
from lunops.modules import MODULES, Context
from lunops.render import Templates

HOST = parse("here connection=local", Path("inv")).hosts["here"]


@pytest.fixture
def session() -> Iterator[Session]:
    session = connect(HOST)
    yield session
    session.close()


def do(session: Session, module: str, args: Any, *, check: bool = False, timeout_s: float = 60) -> ItemResult:
    item = MODULES[module].item(args, Context(host=HOST, templates=Templates({})), "plan.yml:3")
    task = Task(id="01:x", name="x", module=module, items=(item,), timeout_s=timeout_s)
    (result,) = session.run(task, check=check).items
    return result


def test_a_path_is_waited_for_until_it_is_there(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    threading.Timer(0.4, path.touch).start()
    item = do(session, "wait_for", {"path": str(path), "sleep": 0.1})
    assert (item.status, item.data["path"]) == (Status.OK, str(path))
    threading.Timer(0.4, path.unlink).start()
    assert do(session, "wait_for", {"path": str(path), "state": "absent", "sleep": 0.1}).status is Status.OK


def test_a_text_in_a_file_is_waited_for(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a\n")
    threading.Timer(0.4, path.write_text, ["a\nready in 12 s\n"]).start()
    item = do(session, "wait_for", {"path": str(path), "search_regex": r"^ready in (?P<n>\d+)", "sleep": 0.1})
    assert (item.data["match_groups"], item.data["match_groupdict"]) == (["12"], {"n": "12"})


def test_a_port_is_waited_for_until_it_takes_connections_or_no_longer_does(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert do(session, "wait_for", {"port": port}).status is Status.OK
        server.accept()[0].close()  # the one above

        def greet() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-x\r\n")

        greeter = threading.Thread(target=greet, daemon=True)
        greeter.start()
        item = do(session, "wait_for", {"port": port, "search_regex": "SSH-(.*)-"})
        greeter.join()
        assert item.data["match_groups"] == ["2.0"]
    assert do(session, "wait_for", {"port": port, "state": "stopped"}).status is Status.OK


def test_what_does_not_come_fails_in_time_and_says_what_it_was(session: Session, tmp_path: Path) -> None:
    args = {"path": f"{tmp_path}/x", "timeout": 0.3, "sleep": 0.1}
    begun = time.monotonic()
    item = do(session, "wait_for", args)
    assert "Timeout when waiting for" in item.error
    assert time.monotonic() - begun < 5
    assert do(session, "wait_for", {**args, "msg": "no luck"}).error == "no luck"
    late = do(session, "wait_for", {"path": f"{tmp_path}/x", "timeout": 60}, timeout_s=0.5)
    assert "until the task was ended" in late.error


def test_without_a_path_or_port_only_the_time_is_waited_for(session: Session) -> None:
    begun = time.monotonic()
    assert do(session, "wait_for", {"timeout": 0.6}).status is Status.OK
    assert time.monotonic() - begun >= 0.6


def test_check_mode_looks_once_and_does_not_know_what_would_come(session: Session, tmp_path: Path) -> None:
    assert do(session, "wait_for", {"path": f"{tmp_path}/x"}, check=True).status is Status.UNKNOWN
    assert do(session, "wait_for", {"path": str(tmp_path)}, check=True).status is Status.OK


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"path": "/x", "port": 1}, "give one of 'path' and 'port'"),
        ({"path": "/x", "search_regex": "("}, "is no regular expression"),
        ({"search_regex": "x"}, "is for a path or a port"),
        ({"port": 70000}, "port"),
        ({"port": 1, "host": "a;b"}, "'a;b' is not a host's name or address"),
        ({"path": "/x", "state": "drained"}, "state"),
    ],
)
def test_wrong_arguments_are_refused(args: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        MODULES["wait_for"].item(args, Context(host=HOST, templates=Templates({})), "plan.yml:3")
    assert said in str(error.value)


@pytest.mark.parametrize("module", ["facts", "setup"])
def test_facts_tell_what_this_machine_is_under_ansibles_names(session: Session, module: str) -> None:
    facts = do(session, module, {}, check=True).data["ansible_facts"]

    assert facts["ansible_nodename"] == os.uname().nodename
    assert facts["ansible_kernel"] == os.uname().release
    assert facts["ansible_architecture"] == os.uname().machine
    assert facts["ansible_processor_vcpus"] >= 1
    assert facts["ansible_memtotal_mb"] > facts["ansible_memfree_mb"] > 0
    assert facts["ansible_os_family"]
    assert facts["ansible_distribution_version"]
    assert facts["ansible_uptime_seconds"] > 0
    assert set(facts["lunops_target"]) == {"modules", "version", "service", "enabled", "active"}
    assert isinstance(facts["lunops_pools"], dict)
