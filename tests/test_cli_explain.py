"""`lunops explain`: all places of a variable, in the order in which they win, held to what a run then shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lunops.cli import run

PLAYBOOK = """\
- name: First
  hosts: all
  vars: {slot: play, place: "{{ slot }}"}
  vars_files: [more.yml, "{{ inventory_hostname }}.yml"]
  tasks:
    - name: Say
      vars: {slot: task}
      debug: {msg: "{{ slot }}"}
    - block:
        - name: In the block
          debug: {msg: "{{ slot }}"}
        - debug: {msg: "{{ slot }}"}
      vars:
        slot: block
    - name: Ask
      debug: {msg: "{{ slot }}"}
    - name: Set
      set_fact: {slot: fact}
    - name: Ask again
      debug: {msg: "{{ slot }}"}
- name: Second
  hosts: h2
  tasks:
    - name: Ask
      debug: {msg: "{{ slot }}"}
- name: Third
  hosts: h2
  gather_facts: true
  vars: {late: 1}
  tasks:
    - name: Over
      debug: {msg: "{{ each }}"}
      loop: [1]
      loop_control: {loop_var: each}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("heads").write_text("h1 connection=sim slot=line\nh2 connection=sim\n[all:vars]\nslot=group\n")
    Path("site.yml").write_text(PLAYBOOK)
    Path("more.yml").write_text("other: 1\nslot: file\n")
    Path("h1.yml").write_text("zone: 1\n")
    Path("h2.yml").write_text("slot: own file\n")


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert run(["explain", *words]) == code
    said = capsys.readouterr()
    return said.out + said.err


def test_every_place_of_a_play_is_told_the_weakest_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "slot", "h1", "site.yml", "-i", "heads").splitlines()

    assert lines[:2] == ["PLAY [First]  site.yml:1:3", 'slot of h1 is "file"']
    assert [tuple(re.split(r"  +", f"{line[0].replace(' ', '-')}  {line[2:]}")) for line in lines[2:]] == [
        ("-", '"group"', "group all", "heads:4"),
        ("-", '"line"', "the inventory's line of h1", "heads:1"),
        ("-", '"play"', "vars of the play", "site.yml:3:10"),
        ("*", '"file"', "vars_files of the play", "more.yml:2:1"),
        ("~", '"task"', "vars, in the task 'Say'", "site.yml:7:14"),
        ("~", '"block"', "vars, in the task 'In the block' and 1 more", "site.yml:14:9"),
        ("~", "(known at run time only)", "set_fact, from the task 'Set' on", "site.yml:18:18"),
    ]
    assert len({line.rindex("  ") for line in lines[2:]}) == 1


def test_what_is_told_is_what_a_run_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "site.yml", "-i", "heads", "--json"]) == 0
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    shown = {
        (task["play"], task["head"], task["name"]): [item["data"]["msg"] for item in task["items"]]
        for task in tasks
        if task["module"] == "debug"
    }

    assert shown["First", "h1", "Say"] == ["task"]
    assert shown["First", "h1", "In the block"] == ["block"]
    assert shown["First", "h1", "Ask"] == ["file"]
    assert shown["First", "h2", "Ask"] == ["own file"]
    assert shown["First", "h1", "Ask again"] == ["fact"]
    assert shown["Second", "h2", "Ask"] == ["fact"]


def test_what_a_play_has_set_counts_in_those_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    second = told(capsys, "slot", "h2", "site.yml", "-i", "heads").split("\n\n")[1].splitlines()

    assert second[0] == "PLAY [Second]  site.yml:21:3"
    assert second[1:3] == [
        'slot of h2 is "group"',
        '* "group"                   group all                         heads:4',
    ]
    assert second[3].startswith("~ (known at run time only)  set_fact, from the task 'Set' on")


def test_the_command_line_is_the_strongest(capsys: pytest.CaptureFixture[str]) -> None:
    Path("extra.yml").write_text("x: 1\nslot: e file\n")
    lines = told(capsys, "slot", "h1", "site.yml", "-i", "heads", "-e", "slot=first", "-e", "@extra.yml").splitlines()

    assert lines[1] == 'slot of h1 is "e file"'
    assert [line for line in lines if line[0] in "*~"] == [lines[-1]]
    assert lines[-1].split()[-1] == "extra.yml:2:1"
    assert lines[-2].split() == ['"first"', "-e"]


def test_without_a_playbook_it_is_the_inventory_and_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "slot", "h1", "-i", "heads", "-e", "slot=9").splitlines() == [
        "slot of h1 is 9",
        '  "group"  group all                   heads:4',
        '  "line"   the inventory\'s line of h1  heads:1',
        "* 9        -e",
    ]


def test_what_only_a_run_gives_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    third = told(capsys, "each", "h2", "site.yml", "-i", "heads").split("\n\n")[2].splitlines()
    assert third[1] == "each of h2 is (known at run time only)"
    assert third[-1].startswith("~ (known at run time only)  loop, in the task 'Over'")
    facts = told(capsys, "ansible_hostname", "h2", "site.yml", "-i", "heads")
    assert "* (known at run time only)  facts of the head" in facts
    assert "ansible_hostname of h2 is not given in this play" in facts


def test_an_encrypted_file_is_read_and_its_values_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("more.yml").write_text("slot: canary-s3cret\n")
    Path("key").write_text("a passphrase")
    Path("key").chmod(0o600)
    assert run(["vault", "encrypt", "more.yml", "--vault-password-file", "key"]) == 0
    words = ("slot", "h1", "site.yml", "-i", "heads", "--vault-password-file", "key")

    text = told(capsys, *words)
    assert 'slot of h1 is "********"' in text
    assert "canary" not in text


def test_what_is_nowhere_is_an_error_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'late'" in told(capsys, "latee", "h2", "site.yml", "-i", "heads", code=8)
    assert "did you mean 'slot'" in told(capsys, "slto", "h1", "-i", "heads", code=8)
    assert "no head is named 'h3'" in told(capsys, "slot", "h3", "site.yml", "-i", "heads", code=8)


def test_a_head_in_no_play_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("site.yml").write_text(PLAYBOOK[PLAYBOOK.index("- name: Second") :])
    assert "h1 is in no play of site.yml" in told(capsys, "slot", "h1", "site.yml", "-i", "heads", code=8)
