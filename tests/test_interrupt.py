"""Runs that are cut off: all that runs on the heads is ended, it is said what is known, and --resume goes on."""

from __future__ import annotations

import getpass
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.site import Site
from tests.support.sshd import PROGRAM, Sshd
from tests.support.started import Lunops, ended, interrupt, is_gone, resume_name, soon

# The shell, a child and a grandchild of it: none of them minds TERM.
STUBBORN = """\
trap "" TERM
sh -c 'sh -c "echo \\$\\$ >>pids; sleep 1000; sleep 1000" & echo $$ >>pids; sleep 1000; sleep 1000' &
echo $$ >>pids
sleep 1000
sleep 1000
"""
PLAYBOOK = """\
- name: Cut off
  hosts: all
  tasks:
    - name: One
      command: {cmd: "sh -c 'echo one >>marks; echo said by one'", chdir: FOLDER}
      register: first
      notify: Note it
    - name: Keep
      set_fact: {kept: "{{ first.stdout }}, kept"}
    - name: Long
      command: {argv: [sh, long.sh], chdir: FOLDER, creates: FOLDER/let-go}
      TIMEOUT
    - name: After
      command: {argv: [sh, -c, 'echo "after: {{ kept }}" >>marks'], chdir: FOLDER}
  handlers:
    - name: Note it
      command: {argv: [sh, -c, 'echo handler >>marks'], chdir: FOLDER}
"""


@dataclass
class Scene:
    """A head, a playbook with a task that does not end, and a controller."""

    lunops: Lunops
    sshd: Sshd | None = None

    @property
    def folder(self) -> Path:
        return self.lunops.folder

    def begin(self) -> subprocess.Popen[str]:
        """Start the run; return once the long task is at work."""
        process = self.lunops.start("run", "plan.yml", "-i", "inventory")
        assert soon(lambda: len(self.pids()) == 3), ended(process)
        return process

    def pids(self) -> list[int]:
        path = self.folder / "pids"
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    def marks(self) -> list[str]:
        return (self.folder / "marks").read_text().splitlines()

    def all_gone(self) -> bool:
        return all(map(is_gone, self.pids()))

    def resumes(self, run: str) -> None:
        """Go on, with the long task let go: the rest is done, and nothing twice."""
        (self.folder / "let-go").touch()
        code, out, err = self.lunops.run("run", "--resume", run)
        assert (code, err) == (0, ""), out
        assert self.marks() == ["one", "after: said by one, kept", "handler"]


@pytest.fixture(params=["local", "ssh"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    if request.param == "ssh" and not PROGRAM:
        pytest.skip("openssh-server is not installed")
    lunops = Lunops(tmp_path)
    lunops.write("long.sh", STUBBORN)
    lunops.write("plan.yml", PLAYBOOK.replace("FOLDER", str(tmp_path)).replace("      TIMEOUT\n", ""))
    with Site(tmp_path) as site:
        found = Scene(lunops)
        how = "connection=local"
        if request.param == "ssh":
            found.sshd = site.sshd()
            how = (
                f"host=127.0.0.1 port={found.sshd.port} user={getpass.getuser()} private_key={site.key} "
                f"known_hosts={site.known_hosts}"
            )
        lunops.write("inventory", f"jbod-01 {how} python={sys.executable}\n")
        yield found
        lunops.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_all_processes_of_a_task_says_so_and_can_be_gone_on_with(
    scene: Scene, number: signal.Signals
) -> None:
    process = scene.begin()
    interrupt(process, number)
    code, out, err = ended(process)
    assert code == 99
    assert scene.all_gone()  # before it is said
    assert "the run was cancelled: the command and all that it had started were stopped" in out
    assert "ok=2     changed=1     unreachable=0     failed=1" in out
    assert "lunops: interrupted: ending what runs on the heads" in err
    assert scene.marks() == ["one"]
    scene.resumes(resume_name(err))


def test_a_second_interrupt_ends_at_once_and_the_head_ends_what_runs_by_itself(scene: Scene) -> None:
    process = scene.begin()
    interrupt(process)
    assert process.stderr is not None
    assert "once more ends at once" in process.stderr.readline()
    begun = time.monotonic()
    interrupt(process)
    code, _out, err = ended(process)
    assert time.monotonic() - begun < 1.5  # the two seconds that TERM is given were not waited for
    assert code == 99
    assert soon(scene.all_gone)
    scene.resumes(resume_name(err))


def test_a_lost_connection_ends_what_ran_there_says_that_it_is_unknown_and_can_be_gone_on_with(scene: Scene) -> None:
    if scene.sshd is None:
        pytest.skip("there is no connection")
    process = scene.begin()
    scene.sshd.signal_workers(signal.SIGKILL)
    code, out, err = ended(process)
    assert code == 4
    assert "the connection was lost" in out
    assert "its outcome is unknown" in out
    assert "unreachable=1" in out
    assert soon(scene.all_gone)
    scene.resumes(resume_name(err))


def test_a_task_whose_time_is_over_is_ended_with_all_its_processes(scene: Scene) -> None:
    path = scene.folder / "plan.yml"
    path.write_text(path.read_text().replace("let-go}\n", "let-go}\n      timeout: 2\n"))
    process = scene.begin()
    code, out, err = ended(process)
    assert code == 2
    assert scene.all_gone()
    assert "the task's time was over: the command and all that it had started were stopped" in out
    scene.resumes(resume_name(err))


def test_a_controller_that_is_killed_leaves_nothing_running_and_can_be_gone_on_with(scene: Scene) -> None:
    process = scene.begin()
    process.kill()
    assert ended(process)[0] == -signal.SIGKILL
    assert soon(scene.all_gone)
    assert scene.marks() == ["one"]
    (run,) = scene.lunops.journals()
    scene.resumes(run)


def test_a_handler_that_is_interrupted_is_run_again_and_what_was_done_before_is_not(scene: Scene) -> None:
    (scene.folder / "let-go").touch()
    handler = "echo handler >>marks; test -e stay || exec sh long.sh"
    path = scene.folder / "plan.yml"
    path.write_text(path.read_text().replace("echo handler >>marks", handler))
    process = scene.begin()
    interrupt(process)
    code, _out, err = ended(process)
    assert code == 99
    assert scene.all_gone()
    (scene.folder / "stay").touch()
    code, out, err = scene.lunops.run("run", "--resume", resume_name(err))
    assert (code, err) == (0, ""), out
    assert scene.marks() == ["one", "after: said by one, kept", "handler", "handler"]


def test_a_run_can_be_gone_on_with_again_and_again_but_not_once_it_ended_well(scene: Scene) -> None:
    process = scene.begin()
    interrupt(process)
    run = resume_name(ended(process)[2])
    (scene.folder / "pids").unlink()
    again = scene.lunops.start("run", "--resume", run)
    assert soon(lambda: len(scene.pids()) == 3)
    interrupt(again)
    code, _out, err = ended(again)
    assert code == 99
    assert resume_name(err) == f"{run}+1"
    scene.resumes(f"{run}+1")
    code, _out, err = scene.lunops.run("run", "--resume", f"{run}+2")
    assert code == 8
    assert "ended well: there is nothing to go on with" in err


def test_a_playbook_that_has_changed_is_not_gone_on_with(scene: Scene) -> None:
    process = scene.begin()
    interrupt(process)
    run = resume_name(ended(process)[2])
    path = scene.folder / "plan.yml"
    path.write_text(path.read_text() + "# changed\n")
    code, _out, err = scene.lunops.run("run", "--resume", run)
    assert code == 8
    assert f"has changed: {path}" in err


def test_an_interrupted_pause_is_not_taken_for_done(tmp_path: Path) -> None:
    lunops = Lunops(tmp_path)
    lunops.write("inventory", f"here connection=local python={sys.executable}\n")
    lunops.write(
        "plan.yml",
        "- name: P\n  hosts: all\n  tasks:\n"
        f"    - {{name: Begin, command: touch {tmp_path}/begun}}\n    - {{name: Wait, pause: {{seconds: 600}}}}\n",
    )
    process = lunops.start("run", "plan.yml", "-i", "inventory")
    assert soon((tmp_path / "begun").exists)
    time.sleep(0.3)
    interrupt(process)
    code, out, _err = ended(process)
    assert code == 99
    assert "interrupted before the pause was over" in out
    lunops.close()


def test_ctrl_c_on_a_terminal_takes_the_passing_line_away_before_it_speaks(scene: Scene) -> None:
    terminal = scene.lunops.terminal("run", "plan.yml", "-i", "inventory")
    terminal.expect("Long, 0:0")  # the passing line
    terminal.type("\x03")
    assert terminal.end() == 99
    told = [line for line in terminal.lines() if "lunops: interrupted" in line]
    assert [line[:27] for line in told] == ["lunops: interrupted: ending"]
    assert not [line for line in terminal.lines() if "Long, 0:0" in line]
    assert scene.all_gone()
