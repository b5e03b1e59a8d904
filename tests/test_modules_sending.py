"""zfs_send: from its arguments to the item, with the other head looked up when planning; and the playbook of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lunops.errors import InputError
from lunops.inventory import parse
from lunops.model import Item, Plan
from lunops.modules import MODULES, Context
from lunops.playbook.reader import read_playbook
from lunops.resources import load_templates, playbook_folder
from tests.planned import plan_playbook

INVENTORY = parse(
    "jbod-01 connection=sim pools=tank\njbod-02 connection=sim pools=tink,tonk\njbod-03 connection=sim\n", Path("inv")
)
SEND = {"src": "tank/images/golden@1", "to": "jbod-02", "dst": "tink/images/golden"}


def item(args: Any, *, run: str = "") -> Item:
    host = INVENTORY.hosts["jbod-01"]
    context = Context(host=host, templates=load_templates(), run=run, hosts=INVENTORY.hosts)
    return MODULES["zfs_send"].item(args, context, "plan.yml:3")


def replicate(**variables: Any) -> Plan:
    path = playbook_folder() / "replicate-image.yml"
    book = read_playbook(path.read_text("utf-8"), str(path))
    return plan_playbook(book, INVENTORY, None, variables, templates=load_templates(), run="r1")


def test_an_item_holds_the_other_head_and_the_marks() -> None:
    made = item(SEND, run="r1")

    assert made.key == "tink/images/golden"
    assert made.peer is INVENTORY.hosts["jbod-02"]
    assert made.args["marks"] == {"lunops:managed": "1", "lunops:made": "r1"}
    assert (made.args["force"], made.args["stall_s"]) == ([], 120)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({**SEND, "to": "jbd-02"}, "no head 'jbd-02'; did you mean 'jbod-02'"),
        ({**SEND, "to": "jbod-01"}, "is the head that tank/images/golden@1 is on"),
        ({**SEND, "dst": "tank/images/golden"}, "a pool is on one head; did you mean 'tonk'?"),
        ({**SEND, "dst": "tinc/images/golden"}, "jbod-02 has no pool 'tinc'"),
        ({**SEND, "dst": "tinc/images/golden"}, "did you mean 'tink'"),
        ({**SEND, "src": "tink/images/golden@1"}, "jbod-01 has no pool 'tink'"),
        ({**SEND, "dst": "tink"}, "is a pool, not a place"),
        ({**SEND, "src": "tank/images/golden"}, "src: 'tank/images/golden' is not a snapshot name"),
        ({**SEND, "dst": "tink/x@1"}, "dst: 'tink/x@1' is not a dataset name"),
        ({**SEND, "dst": "tink/x%recv"}, "is not a dataset name"),
        ({**SEND, "force": ["snapshots"]}, "force[0]"),
        ({**SEND, "force": "unmarked"}, "force: must be a list"),
        ({**SEND, "stall_s": 0}, "stall_s"),
        ({**SEND, "stall_s": float("nan")}, "stall_s"),
        ({**SEND, "dest": "tink/x"}, "did you mean 'dst'"),
        ({"src": "tank/x@1", "dst": "tink/x"}, "to: is missing"),
    ],
)
def test_wrong_arguments_are_refused_by_name(args: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        item(args)
    assert said in str(error.value)


def test_the_playbook_sends_from_the_head_that_holds_the_image_to_all_that_are_named() -> None:
    plan = replicate(image="tink/images/golden@2", to=["jbod-01", "jbod-02"])

    (head,) = plan.heads
    (task,) = head.tasks
    assert head.host.name == "jbod-02"
    assert [(each.key, each.args["src"]) for each in task.items] == [("tank/images/golden", "tink/images/golden@2")]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"image": "tank/images/golden@2"}, "the pools of jbod-03 are not known"),
        ({"image": "tonc/images/golden@2"}, "no head has the pool 'tonc'"),
        ({"image": "tank/images/golden@2", "to": ["jbod-2"]}, "no head is named 'jbod-2'"),
        ({}, "say which snapshot to bring: -e image=POOL/images/golden@2"),
    ],
)
def test_the_playbook_says_what_it_cannot_do(variables: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        replicate(**variables)
    assert said in str(error.value)
