"""Whether a run is over on its head: asked of the head, by whoever wants to know."""

from __future__ import annotations

import getpass
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from lunops.connections import connect
from lunops.connections.session import Session
from lunops.errors import HeadError
from lunops.head_run import HeadRun, Silent
from lunops.model import Host, Item, Status, Task, TaskResult
from tests.support import stubborn
from tests.support.site import Site
from tests.support.sshd import PROGRAM, Sshd
from tests.support.started import is_gone, soon


@dataclass
class Scene:
    """A head, and a task on it that does not end."""

    folder: Path
    host: Host
    sshd: Sshd | None = None
    run: str = field(default_factory=lambda: uuid4().hex)  # the folder of the locks is everyone's

    @property
    def task(self) -> Task:
        args = {"argv": ["sh", "long.sh"], "cmd": "long", "chdir": str(self.folder)}
        return Task(id="1", name="Long", module="command", items=(Item(key="l", args=args),), run=self.run)

    def pids(self) -> list[int]:
        return stubborn.pids(self.folder)

    def asked(self) -> str:
        """Ask over a session of its own."""
        session = connect(self.host)
        try:
            return session.at_work(self.run)
        finally:
            session.close()


@pytest.fixture(params=["local", "ssh"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    stubborn.write(tmp_path)
    host = Host(name="h", connection="local", python=sys.executable)
    if request.param == "local":
        yield Scene(tmp_path, host)
        return
    if not PROGRAM:
        pytest.skip("openssh-server is not installed")
    with Site(tmp_path) as site:
        sshd = site.sshd()
        host = Host(
            name="h",
            address="127.0.0.1",
            port=sshd.port,
            user=getpass.getuser(),
            private_key=site.key,
            known_hosts=site.known_hosts,
            python=sys.executable,
        )
        yield Scene(tmp_path, host, sshd)


class Going:
    """The task under way in a thread."""

    def __init__(self, scene: Scene, session: Session) -> None:
        self.result: TaskResult | None = None
        self.error: HeadError | None = None
        self._thread = threading.Thread(target=self._do, args=(scene, session), daemon=True)
        self._thread.start()
        assert soon(lambda: len(scene.pids()) == 2)

    def _do(self, scene: Scene, session: Session) -> None:
        try:
            self.result = session.run(scene.task)
        except HeadError as error:
            self.error = error

    def end(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_after_a_cancel_and_the_end_nothing_is_left_and_the_head_says_so(scene: Scene) -> None:
    session = connect(scene.host)
    agent = session.hello.pid
    going = Going(scene, session)
    named = scene.asked()

    session.cancel()
    going.end()
    session.close()

    assert named.startswith(f"pid {agent} (")
    assert going.result is not None
    assert going.result.status is Status.FAILED
    assert soon(lambda: all(map(is_gone, scene.pids())), 2.0)
    assert soon(lambda: is_gone(agent), 2.0)
    assert scene.asked() == ""


def test_a_session_does_not_take_itself_for_another_at_work(scene: Scene) -> None:
    session = connect(scene.host)
    args = {"argv": ["true"], "cmd": "true"}
    session.run(Task(id="1", name="T", module="command", items=(Item(key="t", args=args),), run=scene.run))
    own, others = session.at_work(scene.run), scene.asked()
    session.close()

    assert own == ""
    assert others.startswith(f"pid {session.hello.pid} (")
    assert soon(lambda: scene.asked() == "")


@pytest.mark.parametrize("scene", ["ssh"], indirect=True)
def test_an_agent_that_still_works_is_named_though_its_connection_is_cut(scene: Scene) -> None:
    assert scene.sshd is not None
    session = connect(scene.host)
    going = Going(scene, session)
    scene.sshd.signal_workers(signal.SIGKILL)
    named = scene.asked()  # the shells are given two seconds
    going.end()
    session.close()

    assert going.error is not None
    assert named.startswith(f"pid {session.hello.pid} (")
    assert soon(lambda: scene.asked() == "")
    assert soon(lambda: all(map(is_gone, scene.pids())), 2.0)


def test_a_run_on_a_head_waits_until_it_is_over_there(scene: Scene) -> None:
    run = HeadRun(scene.host, connect=connect, observer=Silent())
    results: list[TaskResult] = []
    thread = threading.Thread(target=lambda: results.append(run.task(scene.task, without=frozenset())), daemon=True)
    thread.start()
    assert soon(lambda: len(scene.pids()) == 2)
    other = HeadRun(scene.host, connect=connect, observer=Silent())
    unasked = other.wait_until_over(scene.run, 0.0)
    still = other.wait_until_over(scene.run, 0.5, perhaps_begun=True)
    run.cancel()
    thread.join(30)
    mine = run.wait_until_over(scene.run, 30.0)
    over = other.wait_until_over(scene.run, 30.0, perhaps_begun=True)

    assert unasked == ""
    assert still.startswith("pid ")
    assert mine == over == ""
    assert [result.status for result in results] == [Status.FAILED]
    assert soon(lambda: all(map(is_gone, scene.pids())), 2.0)


def test_a_head_that_cannot_be_asked_counts_as_one_where_somebody_is(tmp_path: Path) -> None:
    host = Host(name="h", connection="local", python=str(tmp_path / "no-python"))
    run = HeadRun(host, connect=connect, observer=Silent())
    begun = time.monotonic()
    said = run.wait_until_over("run-1", 0.3, perhaps_begun=True)
    assert time.monotonic() - begun >= 0.3
    assert "no-python" in said
