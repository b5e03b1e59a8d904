"""Inventories come to the same as in Ansible, whose answers are recorded: see tests/inventory_cases.py."""

from __future__ import annotations

import json

import pytest

from lunops.cli.inventory import as_json, graph, listing
from lunops.inventory import Inventory
from lunops.inventory_files import load
from tests.inventory_cases import CASES, Case

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder.name)


def read(case: Case) -> Inventory:
    return load([case.full(source) for source in case.sources], playbook_folder=case.playbook_folder)


@each_case
def test_list_is_what_ansible_inventory_lists(case: Case) -> None:
    assert json.loads(as_json(listing(read(case)))) == case.answers["list"]


@each_case
def test_graph_is_what_ansible_inventory_draws(case: Case) -> None:
    assert list(graph(read(case))) == case.answers["graph"]


@pytest.mark.parametrize(
    ("case", "pattern"),
    [pytest.param(case, pattern, id=f"{case.folder.name} {pattern}") for case in CASES for pattern in case.patterns],
)
def test_a_pattern_names_the_heads_that_it_names_in_ansible(case: Case, pattern: str) -> None:
    assert {host.name for host in read(case).select(pattern)} == set(case.answers["patterns"][pattern])


def test_every_case_has_its_answers() -> None:
    assert len(CASES) >= 7
    assert all((case.folder / "ansible.json").exists() for case in CASES)
