"""become by a real sudo that asks for a password, over a real sshd and on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lunops.connections.session import Session
from lunops.errors import AgentError, DeadlineError, HeadError, PrivilegeError
from lunops.model import Host, Item, Status, Task
from tests.support.site import QUICK, Site
from tests.support.sshd import PROGRAM
from tests.support.sudoers import OTHER, OTHER_UID, PASSWORD, UID, USER, Sudoers, why_not

pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason="openssh-server is not installed"),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]
PYTHON = "/usr/bin/python3"
_IS_NEW = [PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
IS_NEW = Path(PYTHON).exists() and subprocess.run(_IS_NEW, check=False).returncode == 0
PATIENT = replace(QUICK, hello_s=20, close_s=5)


@pytest.fixture
def sudoers() -> Iterator[Sudoers]:
    # Not in pytest's own folder, which is for root alone.
    folder = Path(tempfile.mkdtemp(prefix="lunops-sudo-"))
    folder.chmod(0o755)
    yield Sudoers(folder / "etc")
    shutil.rmtree(folder)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Site(tmp_path) as site:
        yield site


def head(site: Site, sudoers: Sudoers, **more: object) -> Host:
    keys = sudoers.folder / "authorized_keys"
    keys.write_text(site.key.with_name(site.key.name + ".pub").read_text())
    sshd = site.sshd("head", f"AuthorizedKeysFile {keys}", within=sudoers.within())
    given: dict[str, object] = {"user": USER, "python": PYTHON, "become": True, "become_password": PASSWORD}
    return site.host(sshd, **{**given, **more})


def enter(site: Site, sudoers: Sudoers, **more: object) -> Session:
    return site.connect(head(site, sudoers, **more), PATIENT)


def refused(site: Site, sudoers: Sudoers, **more: object) -> HeadError:
    with pytest.raises(HeadError) as caught:
        enter(site, sudoers, **more)
    assert PASSWORD not in str(caught.value)
    assert "lunops-asks" not in str(caught.value)
    return caught.value


def say(session: Session, *argv: str) -> str:
    args = {"argv": list(argv), "cmd": " ".join(argv)}
    result = session.run(Task(id="1:command", name="x", module="command", items=(Item(key="x", args=args),)))
    assert result.status is Status.CHANGED, result
    return str(result.items[0].data["stdout"])


def test_a_password_that_is_asked_for_lets_in(site: Site, sudoers: Sudoers) -> None:
    session = enter(site, sudoers)
    assert session.hello.uid == 0
    assert say(session, "id", "-u") == "0"
    assert sudoers.failures() == 0


def test_a_wrong_password_is_tried_once_and_named(site: Site, sudoers: Sudoers) -> None:
    error = refused(site, sudoers, become_password="wrong")
    assert isinstance(error, PrivilegeError)
    assert "sudo did not take the password, which was tried once" in error.what
    assert f"the password that {USER} has" in error.fix
    assert "1 incorrect password attempt" in sudoers.log.read_text()
    assert sudoers.failures() == 1


def test_a_sudo_that_allows_one_try_only_says_so_as_well(site: Site, sudoers: Sudoers) -> None:
    sudoers.allow("ALL=(ALL) ALL", "passwd_tries=1")
    error = refused(site, sudoers, become_password="wrong")
    assert isinstance(error, PrivilegeError)
    assert "1 incorrect password attempt" in error.what
    assert "see that the password is right" in error.fix
    assert sudoers.failures() == 1


def test_a_password_that_nobody_asks_for_is_not_sent_and_is_no_program_text(site: Site, sudoers: Sudoers) -> None:
    sudoers.allow("ALL=(ALL) NOPASSWD: ALL")
    slow = sudoers.folder / "slow-python"  # there is time to be hasty
    slow.write_text(f'#!/bin/sh\nsleep 0.7\nexec {PYTHON} "$@"\n')
    slow.chmod(0o755)
    session = enter(site, sudoers, become_password="1\nimport os; os.abort()", python=str(slow))
    assert session.hello.uid == 0
    assert say(session, "id", "-u") == "0"


def test_a_sudo_that_asks_while_no_password_was_given_is_refused_at_once(site: Site, sudoers: Sudoers) -> None:
    error = refused(site, sudoers, become_password="")
    assert isinstance(error, PrivilegeError)
    assert "a password is required" in error.what
    assert f"{USER} ALL=(root) NOPASSWD: {PYTHON}" in error.fix
    assert "-K" in error.fix
    assert sudoers.failures() == 0


@pytest.mark.parametrize("tag", ["", "NOPASSWD: "])
def test_a_rule_for_python_alone_is_enough(site: Site, sudoers: Sudoers, tag: str) -> None:
    sudoers.allow(f"ALL=(root) {tag}{PYTHON}")
    assert enter(site, sudoers).hello.uid == 0


def test_a_rule_for_another_command_is_a_refusal_that_says_which_rule_is_missing(site: Site, sudoers: Sudoers) -> None:
    sudoers.allow("ALL=(root) /usr/bin/id")
    error = refused(site, sudoers)
    assert isinstance(error, PrivilegeError)
    assert "not allowed to execute" in error.what
    assert f"sudoers allows `{USER} ALL=(root) {PYTHON}`" in error.fix


def test_a_lecture_and_a_login_banner_do_not_confuse(site: Site, sudoers: Sudoers) -> None:
    sudoers.allow("ALL=(ALL) ALL", "lecture=always")
    wrapper = sudoers.folder / "banner"
    wrapper.write_text('#!/bin/sh\necho "Password: welcome"\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
    wrapper.chmod(0o755)
    keys = sudoers.folder / "authorized_keys"
    keys.write_text(site.key.with_name(site.key.name + ".pub").read_text())
    sshd = site.sshd("h", f"AuthorizedKeysFile {keys}", f"ForceCommand {wrapper}", within=sudoers.within())
    host = site.host(sshd, user=USER, python=PYTHON, become=True, become_password=PASSWORD)
    assert site.connect(host, PATIENT).hello.uid == 0


def test_a_python_that_is_not_there_is_not_taken_for_a_wrong_password(site: Site, sudoers: Sudoers) -> None:
    error = refused(site, sudoers, python="python9")
    assert isinstance(error, AgentError)
    assert "there is no python9" in error.what


def test_a_sudo_that_says_nothing_at_all_is_given_up(site: Site) -> None:
    folder = site.program("sudo", "#!/bin/sh\nsleep 30\n")
    host = Host(name="here", connection="local", python=sys.executable, become=True, become_password=PASSWORD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        with pytest.raises(DeadlineError, match="neither asked for a password nor began within 1 s"):
            site.connect(host, replace(QUICK, hello_s=1))


@pytest.mark.parametrize("rule", ["ALL=(ALL) ALL", f"ALL=({OTHER}) NOPASSWD: {PYTHON}"])
def test_become_user_gives_the_rights_and_the_home_of_another_user(site: Site, sudoers: Sudoers, rule: str) -> None:
    sudoers.allow(rule)
    session = enter(site, sudoers, become_user=OTHER)
    assert session.hello.uid == OTHER_UID
    assert say(session, "id", "-un") == OTHER
    assert say(session, "sh", "-c", "echo $HOME") == "/"


def test_without_become_the_password_is_of_no_use_and_nobody_is_asked(site: Site, sudoers: Sudoers) -> None:
    assert enter(site, sudoers, become=False).hello.uid == UID
    assert not sudoers.log.exists()


def test_the_password_is_in_no_command_line_and_no_environment(site: Site, sudoers: Sudoers) -> None:
    seen: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for each in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        seen.append((each / name).read_bytes())
                    except OSError:
                        continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        session = enter(site, sudoers)
        said = say(session, "sh", "-c", "cat /proc/$$/environ /proc/self/cmdline")
    finally:
        over.set()
        thread.join()
    assert any(b"lunops-asks-" in each for each in seen)
    assert not any(PASSWORD.encode() in each for each in seen)
    assert PASSWORD not in said


@pytest.mark.skipif(not IS_NEW, reason="the machine's own Python is too old for lunops")
def test_on_this_machine_too_sudo_gets_its_password(sudoers: Sudoers) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from lunops.connections import connect; from lunops.model import Host\n"
        "host = Host(name='h', connection='local', become=True, become_password=sys.stdin.read(),"
        f" python={PYTHON!r})\n"
        "session = connect(host); print(session.hello.uid); session.close()\n"
    )
    copy = sudoers.folder / "copy"  # where that user may read
    shutil.copytree(Path(__file__).resolve().parent.parent / "lunops", copy / "lunops")
    argv = (*sudoers.as_user(), PYTHON, "-c", program, str(copy))
    done = subprocess.run(argv, input=PASSWORD, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")
    done = subprocess.run(argv, input="wrong", capture_output=True, text=True, check=False, timeout=60)
    assert "PrivilegeError: become was refused: sudo did not take the password" in done.stderr
    assert sudoers.failures() == 1
