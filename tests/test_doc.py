"""`lunops doc`, and that each module's example runs as it stands on a simulated head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lunops.cli import run
from lunops.connections import connect as connect_process
from lunops.head_run import HeadRun, Silent
from lunops.inventory import parse
from lunops.model import Host, Status, Task
from lunops.modules import MODULES, Context
from lunops.modules.base import distinct
from lunops.render import Templates
from lunops.resources import examples, load_templates
from tests.in_process import connect

EXAMPLES = examples()
_KEYWORDS = {"name", "register", "check_mode", "when"}  # those that the examples use


def test_every_module_has_an_example_that_uses_it_and_no_example_is_left_over() -> None:
    assert set(EXAMPLES) == set(MODULES)
    assert [name for name, text in EXAMPLES.items() if f"{name}:" not in text] == []


def tasks_of(name: str) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(EXAMPLES[name])
    return tasks


def prepare(module: str, host: Host) -> None:
    """Have there what the example of a module is about and does not make itself."""
    if module == "lio_absent":
        run_example("lio_target", host)


def run_example(name: str, host: Host, hosts: dict[str, Host] | None = None) -> None:
    templates = (
        Templates({"motd.j2": "This is {{ inventory_hostname }}.\n"}) if name == "template" else load_templates()
    )
    reach = connect_process if name == "zfs_send" else connect  # a stream goes through true pipes only
    variables = {"inventory_hostname": host.name}
    context = Context(host=host, templates=templates, hosts=hosts or {}, variables=variables, run="example")
    work: dict[bool, HeadRun] = {}
    for number, task in enumerate(tasks_of(name), 1):
        (module,) = set(task) - _KEYWORDS
        args = task[module]
        given = args if isinstance(args, dict) else {MODULES[module].free_form: args}
        items = distinct([MODULES[module].item(given, context, f"{name}.yml, task {number}")])
        if not MODULES[module].on_head:
            continue
        check = bool(task.get("check_mode"))
        if check not in work:
            work[check] = HeadRun(host, connect=reach, observer=Silent(), check=check)
        result = work[check].task(
            Task(id=f"{number:02}:{module}", name=task["name"], module=module, items=items, run="example"),
            without=frozenset(),
        )
        assert [item.error for item in result.items] == [""] * len(items)
        assert result.status in (Status.OK, Status.CHANGED), result
    for each in work.values():
        each.close()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_runs_as_it_stands(name: str, tmp_path: Path) -> None:
    hosts = parse(
        f"jbod-01 connection=sim pools=tank state={tmp_path}/1.sim\n"
        f"jbod-02 connection=sim pools=tink state={tmp_path}/2.sim\n",
        tmp_path / "inventory",
    ).hosts
    prepare(name, hosts["jbod-01"])

    run_example(name, hosts["jbod-01"], dict(hosts))


def test_without_a_module_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(MODULES)
    assert next(line for line in lines if line.startswith("zfs_clone ")).endswith("make a clone of a snapshot")
    assert run(["doc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lun"] == MODULES["lun"].summary


def test_a_module_is_told_with_its_arguments_its_result_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doc", "zfs_clone"]) == 0
    text = capsys.readouterr().out
    for said in (
        "zfs_clone: make a clone of a snapshot",
        "  src (snapshot; required)",
        "  create_parent (true or false; default false)",
        "      make the file systems above it that are missing",
        "CHECK MODE",
        "UNDO",
        "    src: tank/images/golden@1",
    ):
        assert said in text
    assert run(["doc", "lio_absent"]) == 0
    assert "FORCE\n  sessions: in spite of who is logged in" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_can_be_told_as_text_and_as_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doc", name]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 125
    assert run(["doc", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["example"]) == (name, EXAMPLES[name])
    assert {each["name"] for each in found["arguments"]} == set(MODULES[name].args.model_fields)


def test_a_module_that_is_not_there_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doc", "zfs_clon"]) == 8
    assert "did you mean 'zfs_clone'?" in capsys.readouterr().err
