"""The ssh connection against a real sshd: sharing, speed's conditions, losses, sudo, and its errors' words."""

from __future__ import annotations

import contextlib
import getpass
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lunops.connections import Timeouts
from lunops.connections.ssh_config import route
from lunops.connections.ssh_transport import open_transport
from lunops.errors import AgentError, DeadlineError, HeadError, PrivilegeError, UnreachableError
from lunops.model import Item, ItemResult, Status, Task
from tests.support.site import QUICK, TASK, Site
from tests.support.sshd import PROGRAM, Sshd, fingerprint, free_port, make_key
from tests.support.started import is_gone, soon

pytestmark = pytest.mark.skipif(not PROGRAM, reason="openssh-server is not installed")
WHERE = "jbod-01, task 01:wait_for_device wait"
ME = getpass.getuser()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Site(tmp_path) as site:
        yield site


def refused(site: Site, head: Sshd | None, timeouts: Timeouts = QUICK, **host: object) -> HeadError:
    """Return the error with which connecting ends."""
    with pytest.raises(HeadError) as caught:
        site.connect(site.host(head, **host), timeouts)
    assert caught.value.where.startswith("jbod-01")
    return caught.value


# One connection


def test_many_tasks_share_one_tcp_connection_and_one_channel(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head))
    results = [session.run(TASK) for _ in range(20)]
    session.undo("01:zfs_clone", {})
    assert {result.task_id for result in results} == {"01:wait_for_device"}
    assert head.log.count("Connection from 127.0.0.1") == 1
    assert head.log.count("Starting session: command") == 1
    assert [result.times.connect_s > 0 for result in results] == [True] + [False] * 19


def test_the_agent_on_the_other_side_is_the_one_that_answers(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head))
    assert session.hello.uid == os.getuid()
    assert str(session.hello.pid) != str(os.getpid())
    result = session.run(TASK)
    assert [(item.key, item.status) for item in result.items] == [("nopool/x", Status.FAILED)]


def test_close_ends_the_agent_and_the_connection(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head))
    session.close()
    assert is_gone(session.hello.pid)  # close waits for it, so that the head is left in peace
    assert soon(lambda: head.workers() == [])


def test_the_transport_is_set_for_short_messages_and_for_losses(site: Site) -> None:
    head = site.sshd()
    (endpoint,) = route(site.host(head), site.config)
    with contextlib.ExitStack() as resources:
        transport = open_transport(endpoint, None, resources, QUICK)
        assert isinstance(transport.sock, socket.socket)
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert transport.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2000
        # By now the kernel would have begun to hold back acknowledgements, had each not been asked for.
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
        assert transport.local_cipher == "aes128-gcm@openssh.com"
        options = transport.get_security_options()
        assert not [name for name in (*options.ciphers, *options.digests) if "cbc" in name or "md5" in name]
    assert not transport.is_active()


def test_big_tasks_and_big_answers_pass_each_other(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head, python=site.scripted_python("talks-while-listening")))
    big = Task(id="01:x", name="x", module="x", items=(Item(key="p/1", args={"text": "w" * (8 << 20)}),))
    assert session.run(big).status is Status.CHANGED


def test_a_flood_on_stderr_does_not_block_the_head(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head, python=site.scripted_python("floods-stderr")))
    assert session.run(TASK).status is Status.CHANGED


def test_what_a_login_shell_prints_is_put_up_with(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head, python=site.scripted_python("banner")))
    assert session.run(TASK).status is Status.CHANGED


def test_cancel_reaches_the_agent(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head, python=site.scripted_python("cancelled")))
    threads = []

    def cancel_soon(_: ItemResult) -> None:
        thread = threading.Thread(target=session.cancel)
        thread.start()
        threads.append(thread)

    result = session.run(replace(TASK, items=(Item(key="a", args={}), Item(key="b", args={}))), on_item=cancel_soon)
    for thread in threads:
        thread.join(10)
    assert [item.status for item in result.items] == [Status.OK, Status.SKIPPED]


# Losses in the middle of a task


def lose(site: Site, way: str, loss: Callable[[Sshd, int], None]) -> HeadError:
    """Lose the head half a second into a task; return the error."""
    head = site.sshd()
    session = site.connect(site.host(head, python=site.scripted_python(way)))
    timer = threading.Timer(0.5, loss, (head, session.hello.pid))
    timer.start()
    with pytest.raises(HeadError) as caught:
        session.run(TASK)
    timer.join(10)
    assert caught.value.where == WHERE
    assert "outcome is unknown" in caught.value.fix
    with pytest.raises(UnreachableError, match="of no more use"):
        session.run(TASK)
    return caught.value


def test_an_agent_that_ends_by_itself_gives_its_code_and_last_words(site: Site) -> None:
    error = lose(site, "dies", lambda _, __: None)
    assert isinstance(error, AgentError)
    assert "with exit code 3; its last words: Segmentation fault, or so" in error.what


def test_an_agent_that_is_killed_is_an_agent_error(site: Site) -> None:
    error = lose(site, "alive-for-ever", lambda _, pid: os.kill(pid, signal.SIGKILL))
    assert isinstance(error, AgentError)
    # By a shell in between: 137; else paramiko gives nothing.
    assert "with exit code 137" in error.what or "as if by a signal" in error.what


def test_an_agent_that_is_stopped_is_noticed(site: Site) -> None:
    error = lose(site, "alive-for-ever", lambda _, pid: os.kill(pid, signal.SIGSTOP))
    assert isinstance(error, DeadlineError)
    assert "nothing was heard of the agent for 2 s" in error.what


def test_an_sshd_that_is_killed_is_a_lost_connection(site: Site) -> None:
    error = lose(site, "alive-for-ever", lambda head, _: head.signal_workers(signal.SIGKILL))
    assert isinstance(error, UnreachableError)
    assert "the connection was lost" in error.what


def test_an_sshd_that_is_stopped_is_noticed(site: Site) -> None:
    error = lose(site, "alive-for-ever", lambda head, _: head.signal_workers(signal.SIGSTOP))
    assert isinstance(error, DeadlineError)
    assert "nothing was heard of the agent for 2 s" in error.what


def test_a_stopped_sshd_that_takes_no_more_input_ends_a_big_send(site: Site) -> None:
    head = site.sshd()
    session = site.connect(site.host(head, python=site.scripted_python("good")), replace(QUICK, idle_s=30, send_s=2))
    head.signal_workers(signal.SIGSTOP)
    big = Task(id="01:x", name="x", module="x", items=(Item(key="p/1", args={"text": "w" * (32 << 20)}),))
    with pytest.raises(DeadlineError, match="took no input for 2 s"):
        session.run(big)


# Ways not to get in


def test_a_port_where_nobody_listens(site: Site) -> None:
    port = free_port()
    error = refused(site, None, address="127.0.0.1", port=port)
    assert isinstance(error, UnreachableError)
    assert f"127.0.0.1 refused port {port}" in error.what


def test_a_name_that_is_not_known(site: Site) -> None:
    error = refused(site, None, address="no-such-head.invalid")
    assert isinstance(error, UnreachableError)
    assert "no-such-head.invalid is not known" in error.what


def test_an_address_that_does_not_answer(site: Site) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with contextlib.ExitStack() as callers:
            for _ in range(3):  # the queue is full then, and the kernel drops what else knocks
                caller = callers.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(("127.0.0.1", port))
            error = refused(site, None, replace(QUICK, connect_s=0.5), address="127.0.0.1", port=port)
    assert isinstance(error, UnreachableError)
    assert f"127.0.0.1:{port} did not answer within 0.5 s" in error.what


def test_a_port_that_takes_the_connection_and_says_nothing(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = refused(site, None, replace(QUICK, handshake_s=0.5), address="127.0.0.1", port=port)
    assert isinstance(error, DeadlineError)
    assert "did not finish the SSH handshake within 0.5 s" in error.what


def test_a_stopped_sshd_does_not_hold_up_the_connecting(site: Site) -> None:
    head = site.sshd()
    os.kill(head.pid, signal.SIGSTOP)
    error = refused(site, head, replace(QUICK, handshake_s=0.5))
    assert isinstance(error, DeadlineError)


def test_a_port_that_speaks_something_else(site: Site) -> None:
    def greet(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.sendall(b"220 mail.example ESMTP\r\n" * 101)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        error = refused(site, None, address="127.0.0.1", port=server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    assert isinstance(error, UnreachableError)
    assert "ESMTP" in error.what


def test_an_sshd_with_too_many_unfinished_logins_is_tried_again_and_the_error_says_how_often(site: Site) -> None:
    head = site.sshd("head", "MaxStartups 1:100:1", "LoginGraceTime 60")
    with socket.create_connection(("127.0.0.1", head.port)) as idler:
        assert idler.recv(4) == b"SSH-"
        error = refused(site, head, replace(QUICK, attempts=3))
    assert isinstance(error, UnreachableError)
    assert "closed the connection before its SSH banner, 3 times" in error.what
    assert "MaxStartups" in error.fix
    assert soon(lambda: head.log.count("drop connection") == 3)


def test_an_sshd_that_is_free_again_at_the_second_try_is_used(site: Site) -> None:
    head = site.sshd("head", "MaxStartups 1:100:1", "LoginGraceTime 60")
    idler = socket.create_connection(("127.0.0.1", head.port))
    assert idler.recv(4) == b"SSH-"

    def leave_when_dropped() -> None:
        soon(lambda: "drop connection" in head.log)
        idler.close()

    thread = threading.Thread(target=leave_when_dropped)
    thread.start()
    site.connect(site.host(head), replace(QUICK, attempts=7))
    thread.join(20)


def test_a_key_that_is_not_authorized(site: Site) -> None:
    stranger = make_key(site.folder / "stranger")
    error = refused(site, site.sshd(), private_key=stranger)
    assert isinstance(error, UnreachableError)
    assert f"refused {ME}; keys tried: {stranger} (ssh-ed25519 {fingerprint(stranger)})" in error.what


def test_a_user_that_is_not_there(site: Site) -> None:
    error = refused(site, site.sshd(), user="nobody-at-all")
    assert "refused nobody-at-all; keys tried: " in error.what


def test_a_key_file_that_is_not_there(site: Site) -> None:
    error = refused(site, site.sshd(), private_key=site.folder / "none")
    assert f"keys tried: none; {site.folder}/none is not there" in error.what


def test_an_sshd_that_takes_no_keys(site: Site) -> None:
    error = refused(site, site.sshd("head", "PubkeyAuthentication no", "HostbasedAuthentication yes"))
    assert "takes no login by key, only by hostbased" in error.what


def test_too_many_keys_are_named_as_such(site: Site) -> None:
    head = site.sshd("head", "MaxAuthTries 2")
    keys = "".join(f"IdentityFile {make_key(site.folder / f'id_{number}')}\n" for number in range(4))
    site.configure(f"Host *\n{keys}")
    error = refused(site, head, private_key=None)
    assert f"broke off the login of {ME}" in error.what
    assert "MaxAuthTries" in error.fix


# Starting the agent


def test_a_python_that_is_not_there(site: Site) -> None:
    error = refused(site, site.sshd(), python="/opt/python9/bin/python9")
    assert isinstance(error, AgentError)
    assert "there is no /opt/python9/bin/python9 on the head" in error.what
    assert "host variable `python`" in error.fix


def test_an_interpreters_path_with_a_space_or_quote_is_one_word(site: Site) -> None:
    folder = site.folder / "it's a $HOME"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    assert site.connect(site.host(site.sshd(), python=str(folder / "python"))).hello.protocol == 1


def test_a_forced_command_in_place_of_the_agent_is_shown(site: Site) -> None:
    error = refused(site, site.sshd("head", "ForceCommand echo only sftp here"))
    assert isinstance(error, AgentError)
    assert "before its first word, with exit code 0; on stdout: 'only sftp here'" in error.what


REFUSALS = {
    "a password is required": "echo 'sudo: a password is required' >&2; exit 1",
    "is not in the sudoers file": "echo 'ops is not in the sudoers file.' >&2; exit 1",
    "is not allowed to execute": "echo 'Sorry, ops is not allowed to execute python3 as root.' >&2; exit 1",
    "ein Passwort": "echo 'sudo: ein Passwort ist notwendig' >&2; exit 1",
    "a terminal is required": "echo 'sudo: a terminal is required to read the password' >&2; exit 1",
}


@pytest.mark.parametrize("words", REFUSALS)
def test_a_refusal_of_sudo_says_which_sudoers_line_mends_it(site: Site, words: str) -> None:
    folder = site.program("sudo", f"#!/bin/sh\n{REFUSALS[words]}\n")
    # The wrapper puts the fake first even if the login shell's start-up files change PATH.
    error = refused(site, site.sshd("head", *with_path(site, folder)), become=True, python="python3")
    assert isinstance(error, PrivilegeError)
    assert words in error.what
    assert f"`{ME} ALL=(root) NOPASSWD: /usr/bin/python3`" in error.fix


def test_a_head_without_sudo_says_so(site: Site) -> None:
    empty = site.folder / "empty"
    empty.mkdir()
    error = refused(site, site.sshd("head", *with_path(site, empty, only=True)), become=True)
    assert isinstance(error, PrivilegeError)
    assert "there is no sudo on the head" in error.what


def test_a_sudo_that_does_not_give_root_is_refused(site: Site) -> None:
    folder = site.program("sudo", '#!/bin/sh\nshift 2\nexec setpriv --reuid 65534 --clear-groups "$@"\n')
    if os.getuid() != 0:
        folder = site.program("sudo", '#!/bin/sh\nshift 2\nexec "$@"\n')
    error = refused(site, site.sshd("head", *with_path(site, folder)), become=True, python="/usr/bin/python3")
    assert isinstance(error, PrivilegeError)
    assert "become was asked for, but the agent runs as uid" in error.what


def test_sudo_that_lets_in_gives_a_root_agent(site: Site) -> None:
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("sudo -n is not allowed here")
    head = site.sshd()
    session = site.connect(site.host(head, become=True))
    assert session.hello.uid == 0
    assert session.run(TASK).head == "jbod-01"
    session.close()
    assert soon(lambda: is_gone(session.hello.pid))


def test_a_python_that_sudo_does_not_find_is_not_taken_for_a_refusal(site: Site) -> None:
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("sudo -n is not allowed here")
    error = refused(site, site.sshd(), become=True, python="python9")
    assert isinstance(error, AgentError)
    assert "there is no python9 on the head" in error.what


def with_path(site: Site, folder: Path, *, only: bool = False) -> tuple[str, ...]:
    """Return sshd options that run every command with the folder first (or alone) in PATH, in a plain sh."""
    path = str(folder) if only else f"{folder}:/usr/bin:/bin"
    wrapper = site.folder / "with-path"
    wrapper.write_text(f'#!/bin/sh\nPATH={path}\nexport PATH\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
    wrapper.chmod(0o755)
    return (f"ForceCommand {wrapper}",)


_SAID_NO_MORE = """
import pickle, sys, time
from lunops.connections import Timeouts, connect
session = connect(pickle.load(sys.stdin.buffer), timeouts=Timeouts(quiet_s=1.0))
print(session.hello.pid, flush=True)
time.sleep(600)
"""


def test_the_agent_of_a_controller_that_is_stopped_ends_though_the_connection_stays(site: Site) -> None:
    head = site.sshd()
    process = subprocess.Popen([sys.executable, "-c", _SAID_NO_MORE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(site.host(head)))
        process.stdin.close()
        agent = int(process.stdout.readline())
        time.sleep(1.5)
        assert not is_gone(agent)  # it is told that somebody is there
        process.send_signal(signal.SIGSTOP)
        assert soon(lambda: is_gone(agent))
        assert "Disconnected" not in head.log
        assert "Connection closed" not in head.log
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]
