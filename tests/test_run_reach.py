"""How `lunops run` reaches heads: -u, --private-key, -T, -b and -K, against a real sshd and a real sudo."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.site import Site
from tests.support.sshd import PROGRAM, make_key
from tests.support.started import Lunops
from tests.support.sudoers import OTHER, PASSWORD, USER, Sudoers, why_not

pytestmark = pytest.mark.skipif(not PROGRAM, reason="openssh-server is not installed")
PLAY = """\
- name: P
  hosts: all
  tasks:
    - {name: Who, command: id -un, register: who}
    - {name: Say, debug: {msg: "it is {{ who.stdout }}"}}
"""
RUN = ("run", "plan.yml", "-i", "inventory")
ME = getpass.getuser()


@pytest.fixture
def lunops(tmp_path: Path) -> Iterator[Lunops]:
    made = Lunops(tmp_path)
    made.write("plan.yml", PLAY)
    yield made
    made.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


def inventory(lunops: Lunops, site: Site, port: int, more: str = "", python: str = sys.executable) -> None:
    known = site.known_hosts
    lunops.write("inventory", f"jbod-01 host=127.0.0.1 port={port} known_hosts={known} python={python} {more}\n")


def test_user_and_key_of_the_command_line_are_used_where_the_inventory_names_none(lunops: Lunops, site: Site) -> None:
    inventory(lunops, site, site.sshd().port)
    code, out, _err = lunops.run(*RUN, "-u", ME, "--private-key", str(site.key))
    assert code == 0
    assert f"it is {ME}" in out
    code, out, _err = lunops.run(*RUN, "-u", "nobody-at-all", "--private-key", str(site.key))
    assert code == 4
    assert "refused nobody-at-all" in out


def test_user_and_key_of_the_inventory_win(lunops: Lunops, site: Site) -> None:
    head = site.sshd()
    stranger = make_key(site.folder / "stranger")
    inventory(lunops, site, head.port, f"user={ME} private_key={site.key}")
    code, out, _err = lunops.run(*RUN, "-u", "nobody-at-all", "--private-key", str(stranger))
    assert (code, f"it is {ME}" in out) == (0, True)
    inventory(lunops, site, head.port, f"user=nobody-at-all private_key={stranger}")
    code, out, _err = lunops.run(*RUN, "-u", ME, "--private-key", str(site.key))
    assert code == 4
    assert f"refused nobody-at-all; keys tried: {stranger}" in out


def test_a_head_that_does_not_answer_is_given_up_after_the_timeout(lunops: Lunops, site: Site) -> None:
    with socket.socket() as full, contextlib.ExitStack() as callers:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(3):  # the queue is full then, and the kernel drops what else knocks
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        inventory(lunops, site, port)
        code, out, _err = lunops.run(*RUN, "-T", "0.4")
    assert code == 4
    assert "did not answer within 0.4 s" in out


@pytest.fixture
def sudoers() -> Iterator[Sudoers]:
    if reason := why_not():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="lunops-sudo-"))  # not in pytest's own folder, which is for root alone
    folder.chmod(0o755)
    yield Sudoers(folder / "etc")
    shutil.rmtree(folder)


def become_head(lunops: Lunops, site: Site, sudoers: Sudoers) -> None:
    keys = sudoers.folder / "authorized_keys"
    keys.write_text(site.key.with_name(site.key.name + ".pub").read_text())
    head = site.sshd("head", f"AuthorizedKeysFile {keys}", within=sudoers.within())
    inventory(lunops, site, head.port, f"user={USER} private_key={site.key}", "/usr/bin/python3")


@pytest.mark.parametrize(
    ("more", "who"), [((), USER), (("-b",), "root"), (("--become-user", OTHER), OTHER), (("-b", "-vvv", "-D"), "root")]
)
def test_the_password_of_sudo_is_asked_for_once_and_given(
    lunops: Lunops, site: Site, sudoers: Sudoers, more: tuple[str, ...], who: str
) -> None:
    become_head(lunops, site, sudoers)
    terminal = lunops.terminal(*RUN, "-K", *more)
    terminal.expect("Password of sudo")
    terminal.type(f"{PASSWORD}\n")
    assert terminal.end() == 0, terminal.said
    assert f"it is {who}" in terminal.said
    assert PASSWORD not in terminal.said
    (run,) = lunops.journals()
    assert PASSWORD not in (lunops.state / "lunops" / "runs" / f"{run}.jsonl").read_text()


def test_a_wrong_password_fails_the_head_and_is_tried_once(lunops: Lunops, site: Site, sudoers: Sudoers) -> None:
    become_head(lunops, site, sudoers)
    terminal = lunops.terminal(*RUN, "-K", "-b")
    terminal.expect("Password of sudo")
    terminal.type("certainly-wrong\n")
    assert terminal.end() == 2
    assert "sudo did not take the password, which was tried once" in terminal.said
    assert "certainly-wrong" not in terminal.said
    assert sudoers.failures() == 1


def test_a_task_may_become_another_user_and_what_touches_pools_says_that_it_needs_root(
    lunops: Lunops, site: Site, sudoers: Sudoers
) -> None:
    sudoers.allow("ALL=(ALL) NOPASSWD: ALL")
    become_head(lunops, site, sudoers)
    lunops.write(
        "plan.yml",
        PLAY.replace("register: who}", f"register: who, become: true, become_user: {OTHER}}}")
        + f"    - name: Pools\n      become: true\n      become_user: {OTHER}\n"
        + "      zfs_snapshot: {datasets: [tank/a], name: b}\n",
    )
    code, out, err = lunops.run(*RUN)
    assert code == 2, out + err
    assert f"it is {OTHER}" in out
    assert f"zfs_snapshot works on pools and LIO, which needs root, and become_user is '{OTHER}'" in out
