"""`lunops run` as a process: exit codes, what only looks, what is asked on a terminal, files that are written."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.started import Lunops, ended, interrupt, soon

PLAY = "- name: P\n  hosts: all\n  tasks:\n"
OK = f"{PLAY}    - {{name: Look, command: 'true', changed_when: false}}\n"
CHANGES = f"{PLAY}    - {{name: Do, command: 'true'}}\n"
FAILS = (
    f"{PLAY}    - {{name: Fail here, command: 'false', when: inventory_hostname is match('here')}}\n" + OK[len(PLAY) :]
)
LONG = f"{PLAY}    - {{name: Begin, command: 'touch begun'}}\n    - {{name: Wait, pause: {{minutes: 9}}}}\n"


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine on which nobody listens, kept from being taken by others."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def lunops(tmp_path: Path, port: int) -> Iterator[Lunops]:
    made = Lunops(tmp_path)
    local = f"connection=local python={sys.executable}"
    far = f"host=127.0.0.1 port={port} user=nobody known_hosts=none"
    made.write("inventory", f"here-1 {local}\nhere-2 {local}\nfar {far}\n")
    made.write("broken/rich/__init__.py", "raise RuntimeError('this installation is broken')\n")
    for name, text in {"ok": OK, "changes": CHANGES, "fails": FAILS, "long": LONG}.items():
        made.write(f"{name}.yml", text.replace("touch begun", f"touch {tmp_path}/begun"))
    made.write("bad.yml", PLAY + "    - {name: X, comand: ls}\n")
    yield made
    made.close()


RUN = ("-i", "inventory")
HERE = (*RUN, "-l", "here-*")
CODES = {
    "all is well": (0, "run", "ok.yml", *HERE),
    "all is well, and something changed": (0, "run", "changes.yml", *HERE),
    "a certificate's folder that is not there": (1, "pki", "issue", "nosuch", "alice"),
    "a head failed": (2, "run", "fails.yml", *HERE),
    "nothing changed, in detail": (0, "run", "ok.yml", *HERE, "--detailed-exitcode"),
    "something changed, in detail": (3, "run", "changes.yml", *HERE, "--detailed-exitcode"),
    "something would change, in detail": (3, "run", "changes.yml", *HERE, "--detailed-exitcode", "--check"),
    "a head failed, in detail": (2, "run", "fails.yml", *HERE, "--detailed-exitcode"),
    "a head is unreachable": (4, "run", "ok.yml", *RUN),
    "one failed, one is unreachable": (6, "run", "fails.yml", *RUN),
    "no such option": (5, "run", "ok.yml", *HERE, "--nosuch"),
    "no such command": (5, "rum"),
    "a value that the option does not take": (5, "run", "ok.yml", *HERE, "--forks", "0"),
    "a playbook that is wrong": (8, "run", "bad.yml", *HERE),
    "a playbook that is not there": (8, "run", "nosuch.yml", *HERE),
    "an inventory that is not there": (8, "run", "ok.yml", "-i", "nosuch"),
    "no inventory": (5, "run", "ok.yml"),
    "a limit that matches nothing": (8, "run", "ok.yml", *RUN, "-l", "her"),
    "tags that match nothing": (8, "run", "ok.yml", *HERE, "-t", "nosuch"),
    "a task to start at that is not there": (8, "run", "ok.yml", *HERE, "--start-at-task", "Lok"),
    "a run that is not there": (8, "run", "--resume", "nosuch"),
    "questions without a terminal": (8, "run", "ok.yml", *HERE, "--step"),
    "a password without a terminal": (8, "run", "ok.yml", *HERE, "-K"),
    "a bug": (250, "run", "ok.yml", *HERE, "--colour", "always"),
}


@pytest.mark.parametrize("case", CODES)
def test_every_end_has_its_exit_code(lunops: Lunops, case: str) -> None:
    wanted, *words = CODES[case]
    if case == "a bug":
        lunops.environment["PYTHONPATH"] = f"{lunops.folder}/broken:{lunops.environment['PYTHONPATH']}"
    code, out, err = lunops.run(*map(str, words))
    assert code == wanted, out + err
    if code in (1, 5, 8):
        assert "PLAY" not in out
        assert err
    assert ("Traceback" in err) is False
    assert ("bug of lunops" in err) is (code == 250)


def test_an_interrupted_run_exits_with_99_whatever_else_happened(lunops: Lunops) -> None:
    process = lunops.start("run", "long.yml", *RUN)
    assert soon((lunops.folder / "begun").exists)
    time.sleep(0.3)
    interrupt(process)
    assert ended(process)[0] == 99


def test_a_bug_shows_its_trace_when_it_is_asked_for(lunops: Lunops) -> None:
    lunops.environment["PYTHONPATH"] = f"{lunops.folder}/broken:{lunops.environment['PYTHONPATH']}"
    code, _out, err = lunops.run("run", "ok.yml", *HERE, "--colour", "always", "-vvv")
    assert code == 250
    assert "bug of lunops: RuntimeError: this installation is broken" in err
    assert "Traceback (most recent call last)" in err


def test_one_unreachable_head_does_not_stop_the_others(lunops: Lunops) -> None:
    code, out, _err = lunops.run("run", "ok.yml", *RUN)
    assert code == 4
    assert re.search(r"here-1 +: ok=1 ", out)
    assert re.search(r"here-2 +: ok=1 ", out)
    assert re.search(r"far +: ok=0 +changed=0 +unreachable=1", out)


# options that only look


LOOK = """\
- name: P
  hosts: all
  tasks:
    - {name: First, command: "echo {{ nosuch }}", tags: [one]}
    - {name: Second, debug: {msg: "{{ nosuch_either }}"}, tags: [two]}
"""


@pytest.mark.parametrize(
    ("option", "said"),
    [("--list-tasks", "First"), ("--list-tags", "one, two"), ("--list-hosts", "far")],
)
def test_what_only_looks_opens_no_connection_and_needs_no_variables(lunops: Lunops, option: str, said: str) -> None:
    lunops.write("look.yml", LOOK)
    with socket.create_server(("127.0.0.1", 0)) as head:
        lunops.write("inventory", f"far host=127.0.0.1 port={head.getsockname()[1]} become=true\n")
        code, out, err = lunops.run("run", "look.yml", *RUN, option, "-K")
        head.setblocking(False)
        with pytest.raises(BlockingIOError):
            head.accept()
    assert (code, err) == (0, "")
    assert said in out
    assert lunops.journals() == []


def test_a_syntax_check_opens_no_connection_and_names_a_variable_that_is_not_there(lunops: Lunops) -> None:
    lunops.write("look.yml", LOOK)
    with socket.create_server(("127.0.0.1", 0)) as head:
        lunops.write("inventory", f"far host=127.0.0.1 port={head.getsockname()[1]} become=true\n")
        first = lunops.run("run", "look.yml", *RUN, "--syntax-check")
        second = lunops.run("run", "look.yml", *RUN, "--syntax-check", "-e", "nosuch=1 nosuch_either=2")
        head.setblocking(False)
        with pytest.raises(BlockingIOError):
            head.accept()
    assert first[0] == 8
    assert "there is no variable 'nosuch'" in first[2]
    assert second[0] == 0
    assert "no error was found" in second[1]


# files that are written


def test_the_heads_that_failed_are_written_for_the_next_limit_and_the_file_goes_when_all_is_well(
    lunops: Lunops,
) -> None:
    code, _out, err = lunops.run("run", "fails.yml", *RUN, "--retry-file", "again")
    assert code == 6
    assert (lunops.folder / "again").read_text() == "here-1\nhere-2\nfar\n"
    assert "--limit @again" in err
    code, out, _err = lunops.run("run", "ok.yml", *RUN, "--limit", "@again", "--list-hosts")
    assert [name in out for name in ("here-1", "here-2", "far")] == [True] * 3
    code, out, _err = lunops.run("run", "ok.yml", *RUN, "--limit", "@again:!far", "--retry-file", "again")
    assert code == 0
    assert "far" not in out
    assert not (lunops.folder / "again").exists()


def test_a_junit_file_is_xml_with_a_case_for_each_task_and_head(lunops: Lunops) -> None:
    assert lunops.run("run", "fails.yml", *RUN, "--junit", "out.xml")[0] == 6
    suites = ElementTree.parse(lunops.folder / "out.xml").getroot()
    assert suites.tag == "testsuites"
    cases = suites.findall(".//testcase")
    assert len(cases) == 4
    assert len(suites.findall(".//testcase/failure")) + len(suites.findall(".//testcase/error")) == 3


@pytest.mark.parametrize("option", ["--junit", "--retry-file"])
def test_a_file_that_cannot_be_written_is_an_error_before_anything_runs(lunops: Lunops, option: str) -> None:
    code, out, err = lunops.run("run", "fails.yml", *HERE, option, "nosuch/file")
    assert (code, out) == (8, "")
    assert "nosuch/file" in err


def test_a_folder_for_journals_that_cannot_be_made_is_an_error_before_anything_runs(lunops: Lunops) -> None:
    lunops.environment["XDG_STATE_HOME"] = str(lunops.write("file", "x"))
    code, out, err = lunops.run("run", "changes.yml", *HERE)
    assert (code, out) == (8, "")
    assert "XDG_STATE_HOME" in err


# a terminal


STEPS = PLAY + "".join(f"    - {{name: {name}, command: 'true'}}\n" for name in "ABC")


@pytest.mark.parametrize(
    ("answers", "done"),
    [
        (["n", "y", "n"], "B"),
        (["y", "c"], "ABC"),
        (["", "x", "y", "n"], "B"),
        (["N", "c"], "BC"),
        (["n", "n", "n"], ""),
    ],
)
def test_step_asks_before_each_task(lunops: Lunops, answers: list[str], done: str) -> None:
    lunops.write("steps.yml", STEPS)
    terminal = lunops.terminal("run", "steps.yml", *RUN, "-l", "here-1", "--step")
    for answer in answers:
        terminal.expect("(N)o/(y)es/(c)ontinue: ")
        terminal.type(f"{answer}\n")
    assert terminal.end() == 0
    assert "".join(re.findall(r"TASK \[([ABC])\]", terminal.said)) == done


def test_ctrl_c_ends_a_question(lunops: Lunops) -> None:
    lunops.write("steps.yml", STEPS)
    terminal = lunops.terminal("run", "steps.yml", *RUN, "-l", "here-1", "--step")
    terminal.expect("(N)o/(y)es/(c)ontinue: ")
    terminal.type("\x03")
    assert terminal.end() == 99
    assert "TASK" not in terminal.said


def test_step_without_a_terminal_is_refused_before_anything_runs(lunops: Lunops) -> None:
    code, out, err = lunops.run("run", "changes.yml", *HERE, "--step")
    assert (code, out) == (8, "")
    assert "it asks on a terminal, and there is none" in err
    assert lunops.journals() == []


PAUSE = f"""\
{PLAY}    - {{name: Ask, pause: {{prompt: Which rack}}, register: told}}
    - {{name: Tell, debug: {{msg: "it is <{{{{ told.user_input }}}}>"}}}}
"""


def test_pause_asks_once_for_all_heads_and_gives_the_answer(lunops: Lunops) -> None:
    lunops.write("pause.yml", PAUSE)
    terminal = lunops.terminal("run", "pause.yml", *HERE)
    terminal.expect("Which rack: ")
    terminal.type("rack2\n")
    assert terminal.end() == 0
    assert terminal.said.count("Which rack") == 1
    assert terminal.said.count("it is <rack2>") == 2


def test_ctrl_c_ends_a_pause_that_asks(lunops: Lunops) -> None:
    lunops.write("pause.yml", PAUSE)
    terminal = lunops.terminal("run", "pause.yml", *HERE)
    terminal.expect("Which rack: ")
    terminal.type("\x03")
    assert terminal.end() == 99
    assert "TASK [Tell]" not in terminal.said


@pytest.mark.parametrize("options", [(), ("--yes",), ("--json",)])
def test_pause_without_a_terminal_goes_on_at_once_with_a_warning(lunops: Lunops, options: tuple[str, ...]) -> None:
    lunops.write("pause.yml", PAUSE)
    code, out, err = lunops.run("run", "pause.yml", *HERE, *options)
    assert code == 0
    assert "it is <>" in out
    assert ("there is no terminal" in err or "there is none: going on" in err) is ("--yes" not in options)
    if "--json" in options:
        json.loads(out)


def test_yes_asks_nothing_on_a_terminal(lunops: Lunops) -> None:
    lunops.write("pause.yml", PAUSE)
    terminal = lunops.terminal("run", "pause.yml", *HERE, "--yes")
    assert terminal.end() == 0
    assert "Which rack" not in terminal.said


@pytest.mark.parametrize(
    ("options", "environment", "coloured"),
    [
        ((), {}, True),
        (("--colour", "never"), {}, False),
        ((), {"NO_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_on_a_terminal(
    lunops: Lunops, options: tuple[str, ...], environment: dict[str, str], coloured: bool
) -> None:
    lunops.environment |= environment
    terminal = lunops.terminal("run", "changes.yml", *HERE, *options)
    assert terminal.end() == 0
    assert bool(re.search(r"\x1b\[[0-9;]*m", terminal.said)) is coloured


def test_colours_when_piped_are_there_only_if_asked_for(lunops: Lunops) -> None:
    assert "\x1b" not in lunops.run("run", "changes.yml", *HERE)[1]
    assert "\x1b[" in lunops.run("run", "changes.yml", *HERE, "--colour", "always")[1]
