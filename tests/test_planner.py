"""The planner, held to the files in tests/scenarios/planner: what is asked for, and the plan or error expected.

`LUNOPS_GOLDEN=rewrite` writes what the planner gives now into the files; `git diff` is the review.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from lunops import inventory
from lunops.errors import InputError
from lunops.model import Item, Plan
from lunops.names import Dataset, Iqn, Snapshot
from lunops.planner import CloneRequest, DeleteRequest, plan_create, plan_delete
from lunops.planner.task import make_task
from lunops.playbook.reader import read_playbook
from lunops.resources import load_templates, playbook_folder
from tests.planned import plan_playbook

SCENARIOS = sorted((Path(__file__).parent / "scenarios" / "planner").glob("*.yml"))
TEMPLATES = load_templates()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_plan_is_the_one_of_the_scenario(path: Path) -> None:
    yaml = YAML()
    yaml.width = 110
    scenario = yaml.load(path.read_text("utf-8"))
    found = outcome(scenario)

    if os.environ.get("LUNOPS_GOLDEN") == "rewrite":
        scenario["expect"] = {"error": LiteralScalarString(found["error"])} if "error" in found else found
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(scenario, file)
    assert found == plain(scenario["expect"])


def test_there_are_scenarios_of_every_kind() -> None:
    kinds = [YAML().load(path.read_text("utf-8")) for path in SCENARIOS]

    assert len(kinds) >= 15
    for key in ("create", "delete", "playbook"):
        assert any(key in scenario and "error" not in scenario["expect"] for scenario in kinds)


def outcome(scenario: Any) -> Any:
    """Return the plan as plain data, or the error."""
    heads = inventory.parse(scenario["inventory"], Path("inventory"))
    try:
        if "create" in scenario:
            plan = plan_create([clone(each) for each in scenario["create"]], heads, TEMPLATES, run="run-1")
        elif "delete" in scenario:
            plan = plan_delete([deletion(each) for each in scenario["delete"]], heads)
        else:
            plan = plan_playbook(
                read_playbook(scenario["playbook"], "plan.yml"),
                heads,
                scenario.get("limit"),
                plain(scenario.get("extra_vars", {})),
                templates=TEMPLATES,
                run="run-1",
            )
    except InputError as error:
        return {"error": f"{type(error).__name__}: {error}\n"}
    return shown(plan)


def shown(plan: Plan) -> Any:
    return {
        head.host.name: {
            f"{task.id}, {task.name}, {task.timeout_s:g} s": [
                {"key": item.key, **dict(item.args)} for item in task.items
            ]
            for task in head.tasks
        }
        for head in plan.heads
    }


def clone(each: Any) -> CloneRequest:
    return CloneRequest(
        src=Snapshot.parse(each["src"]),
        dst=Dataset.parse(each["dst"]),
        wwn=Iqn.parse(each["wwn"]),
        initiators=tuple(map(Iqn.parse, each["initiators"])),
        create_parent=each.get("createParent", False),
        properties=plain(each.get("properties", {})),
    )


def deletion(each: Any) -> DeleteRequest:
    return DeleteRequest(
        dst=Dataset.parse(each["dst"]), wwn=Iqn.parse(each["wwn"]), delete_clone=each.get("deleteClone", False)
    )


def plain(value: Any) -> Any:
    """Return plain data for what the YAML library reads."""
    text = io.StringIO()
    YAML().dump({"value": value}, text)
    return YAML(typ="safe", pure=True).load(text.getvalue())["value"]


def test_a_batch_by_rest_and_the_same_batch_by_playbook_come_to_the_same_plan() -> None:
    """One path, two doors."""
    heads = inventory.parse("a pools=p1\nb pools=p2", Path("inventory"))
    batch = [
        {
            "src": f"p{number % 2 + 1}/golden@1",
            "dst": f"p{number % 2 + 1}/nodes/n{number}",
            "wwn": f"iqn.2024-01.org.example:n{number}",
            "initiators": [f"iqn.2024-01.org.example:i{number}"],
            "createParent": number == 1,
            "properties": {"x:y": "z"} if number == 2 else {},
        }
        for number in range(5)
    ]
    source = (playbook_folder() / "create-batch.yml").read_text("utf-8")
    by_playbook = plan_playbook(
        read_playbook(source, "create-batch.yml"), heads, None, {"clones": batch}, templates=TEMPLATES, run="r"
    )
    by_rest = plan_create([clone(each) for each in batch], heads, TEMPLATES, run="r")

    assert by_playbook.heads == by_rest.heads


def test_a_delete_by_rest_and_by_playbook_come_to_the_same_plan() -> None:
    heads = inventory.parse("a pools=p1\nb pools=p2", Path("inventory"))
    batch: list[dict[str, Any]] = [
        {"dst": "p1/n1", "wwn": "iqn.2024-01.org.example:n1", "deleteClone": True},
        {"dst": "p2/n2", "wwn": "iqn.2024-01.org.example:n2"},
        {"dst": "p1/n3", "wwn": "iqn.2024-01.org.example:n3", "deleteClone": False},
    ]
    source = (playbook_folder() / "delete-batch.yml").read_text("utf-8")
    by_playbook = plan_playbook(
        read_playbook(source, "delete-batch.yml"), heads, None, {"clones": batch}, templates=TEMPLATES
    )

    assert by_playbook.heads == plan_delete([deletion(each) for each in batch], heads).heads
    assert [len(head.tasks) for head in by_playbook.heads] == [2, 1]


def test_a_task_has_time_for_as_many_items_as_it_has() -> None:
    items = [Item(key=str(number), args={"timeout_s": 60}) for number in range(500)]

    assert make_task(1, "", "wait_for_device", items).timeout_s >= 60 + 500
    assert make_task(1, "", "wait_for_device", items, 5).timeout_s == 5


def test_the_shipped_playbooks_and_batch_plan_on_the_example_inventory() -> None:
    from lunops.cli.variables import extra_variables

    root = Path(__file__).parent.parent
    heads = inventory.parse((root / "inventory.example").read_text("utf-8"), root / "inventory.example")
    variables = extra_variables([f"@{playbook_folder() / 'batch.yml'}", "deleteClones=true"])
    for name in ("create-batch.yml", "delete-batch.yml"):
        book = read_playbook((playbook_folder() / name).read_text("utf-8"), name)
        plan = plan_playbook(book, heads, None, variables, templates=TEMPLATES)

        assert [head.host.name for head in plan.heads] == ["jbod-01", "jbod-02"]
        assert {len(task.items) for task in plan.heads[0].tasks} == {2}
