"""Connections to this machine and to simulated heads, and what all kinds have in common."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lunops.connections import connect
from lunops.connections.startup import started_in_vain
from lunops.errors import AgentError, PrivilegeError, UnreachableError
from lunops.model import Host, Status
from tests.support.site import QUICK, TASK, Site

LOCAL = Host(name="here", connection="local", python=sys.executable)
HAS_SIM = bool(importlib.util.find_spec("lunops.sim") and importlib.util.find_spec("lunops.sim.__main__"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


def test_the_local_agent_does_tasks_in_a_process_group_of_its_own(site: Site) -> None:
    session = site.connect(LOCAL)
    assert session.hello.pid not in (os.getpid(), 0)
    assert os.getpgid(session.hello.pid) == session.hello.pid
    results = [session.run(TASK) for _ in range(3)]
    assert [result.status for result in results] == [Status.FAILED] * 3  # there is no such dataset
    assert [len(result.items) for result in results] == [1] * 3


def test_closing_ends_the_local_agent(site: Site) -> None:
    session = site.connect(LOCAL)
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(session.hello.pid, 0)


def test_a_python_that_is_not_there_is_named() -> None:
    with pytest.raises(AgentError, match=r"there is no python9 on the head: .* \(here\).*host variable `python`"):
        connect(replace(LOCAL, python="python9"))


def test_sudo_is_asked_without_a_prompt_and_its_refusal_is_an_error(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = site.folder / "seen"
    text = f"#!/bin/sh\necho \"$1 $2 $3\" >{seen}\necho 'sudo: a password is required' >&2\nexit 1\n"
    monkeypatch.setenv("PATH", f"{site.program('sudo', text)}:{os.environ['PATH']}")
    with pytest.raises(PrivilegeError, match="become was refused: sudo: a password is required"):
        connect(replace(LOCAL, become=True))
    assert seen.read_text() == f"-n -- {sys.executable}\n"


def test_a_machine_without_sudo_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(site.folder))
    with pytest.raises(PrivilegeError, match="there is no sudo on the head"):
        connect(replace(LOCAL, become=True))


def test_sudo_that_lets_in_gives_a_root_agent(site: Site) -> None:
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("sudo -n is not allowed here")
    session = site.connect(replace(LOCAL, become=True, python="/usr/bin/python3"))
    assert session.hello.uid == 0
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(session.hello.pid, 0)


@pytest.mark.parametrize(
    ("host", "code", "stderr", "error", "what"),
    [
        ({}, 127, "bash: line 1: python3: command not found", AgentError, "there is no python3"),
        ({}, 127, "sh: 1: python3: not found", AgentError, "there is no python3"),
        ({}, 127, "zsh:1: command not found: python3", AgentError, "there is no python3"),
        ({}, 127, "fish: Unknown command: python3", AgentError, "there is no python3"),
        ({}, 1, "python3: Command not found.", AgentError, "there is no python3"),
        ({}, 126, "bash: line 1: python3: Permission denied", AgentError, "there is no python3"),
        ({"become": True}, 1, "sudo: python3: command not found", AgentError, "there is no python3"),
        ({"become": True}, 127, "bash: line 1: sudo: command not found", PrivilegeError, "there is no sudo"),
        ({"become": True}, 127, "zsh:1: command not found: sudo", PrivilegeError, "there is no sudo"),
        ({"become": True}, 1, "ops is not in the sudoers file.", PrivilegeError, "not in the sudoers"),
        ({"become": True}, 1, "", PrivilegeError, "exit code 1 and said nothing"),
        ({"become": True}, 1, "Traceback (most recent call last):\nValueError", AgentError, "first word, with exit"),
        ({}, 2, "Unknown option: -X", AgentError, "with exit code 2; on stderr: Unknown option"),
        ({}, -9, "", AgentError, "by signal 9"),
        ({}, None, "", AgentError, "as if by a signal"),
    ],
)
def test_why_an_agent_did_not_start(
    host: dict[str, bool], code: int | None, stderr: str, error: type[Exception], what: str
) -> None:
    found = started_in_vain(Host(name="h", become=host.get("become", False)), code, stderr, "")
    assert type(found) is error
    assert what in found.what


def test_a_simulated_head_without_a_file_says_what_is_missing() -> None:
    with pytest.raises(AgentError, match="host variable `state`"):
        connect(Host(name="s", connection="sim"))


@pytest.mark.skipif(not HAS_SIM, reason="there is no simulated head yet")
def test_a_simulated_head_answers_and_starts_with_its_pools(site: Site) -> None:
    host = Host(name="s", connection="sim", state=site.folder / "s.state", pools=("tank", "dozer"), become=True)
    session = site.connect(host)
    result = session.run(TASK)
    assert [item.status for item in result.items] == [Status.FAILED]
    assert host.state is not None
    assert host.state.exists()


def test_an_unknown_kind_of_connection_is_refused() -> None:
    with pytest.raises(UnreachableError, match=r"'winrm' is no kind of connection \(w\); write ssh, local or sim"):
        connect(Host(name="w", connection="winrm"), timeouts=QUICK)


def test_paramiko_is_not_loaded_before_an_ssh_head_is() -> None:
    program = (
        "import sys, lunops, lunops.connections\n"
        "from lunops.model import Host\n"
        "lunops.connections.connect(Host(name='h', connection='local', python=sys.executable)).close()\n"
        "assert not {'paramiko', 'cryptography'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
