"""An inventory is written as YAML, and read back the same, whatever is in it."""

from __future__ import annotations

import json
import shlex
import string
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import InventoryError
from lunops.inventory import Inventory, parse, write
from lunops.inventory_files import load
from lunops.yaml_source import Vaulted
from tests.inventory_cases import CASES, Case

INI, YAML = Path("/etc/lunops/heads.ini"), Path("/etc/lunops/heads.yml")


def written_and_read(inventory: Inventory) -> Inventory:
    return parse(write(inventory), YAML)


def same(one: Inventory, other: Inventory) -> bool:
    """Whether two inventories are the same, and their heads and groups in the same order."""
    orders = [
        (list(each.hosts), {name: list(group.variables) for name, group in each.tree.items()}) for each in (one, other)
    ]
    return (one.hosts, one.groups, one.tree, one.localhost, orders[0][0]) == (
        other.hosts,
        other.groups,
        other.tree,
        other.localhost,
        orders[1][0],
    )


@pytest.mark.parametrize(
    "case", [case for case in CASES if not (case.folder / "sources").exists()], ids=lambda case: case.folder.name
)
def test_what_is_written_has_the_same_heads_with_the_same_variables(case: Case) -> None:
    inventory = load([case.full(source) for source in case.sources], playbook_folder=case.playbook_folder)
    again = written_and_read(inventory)

    assert list(again.hosts) == list(inventory.hosts)
    assert again.groups == inventory.groups
    assert {name: again.given(name) for name in again.hosts} == {name: inventory.given(name) for name in again.hosts}


def test_an_encrypted_value_is_written_as_it_was() -> None:
    again = written_and_read(parse("all: {hosts: {h: {x: !vault '$ANSIBLE_VAULT;1.1;AES256\n\n 61'}}}", YAML))

    assert isinstance(again.hosts["h"].variables["x"], Vaulted)


_GROUP_NAMES = st.sampled_from(["a", "b", "c", "rack1", "x.y", "ungrouped", "null", "true"])
_HOST_NAMES = st.sampled_from(["h1", "h-2", "no", "null", "h.x", "h[1:3]", "0x1f", "1e3"])
_NAMES = st.one_of(_GROUP_NAMES, _HOST_NAMES)
_KEYS = st.sampled_from(["x", "y", "z", "yes", "null", "port", "user"])
_LETTERS = st.one_of(st.characters(codec="utf-8"), st.sampled_from(string.punctuation + " \n\t0"))
_WORDS = st.text(_LETTERS, max_size=8)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(_LETTERS, max_size=12),
    st.sampled_from(["yes", "no", "~", "null", "0x1f", "0o7", "1_000", "1e3", ".5", "-", "---", "2024-01-01", "<<"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda each: st.one_of(
        st.lists(each, max_size=3), st.dictionaries(st.text(_LETTERS, max_size=5), each, max_size=3)
    ),
    max_leaves=5,
)
_SETTINGS = st.one_of(
    st.tuples(st.sampled_from(["x", "y", "z", "yes", "null"]), _VALUES),
    st.tuples(st.sampled_from(["port", "ansible_port", "hang_s"]), st.integers(1, 65535)),
    st.tuples(st.sampled_from(["user", "private_key", "state"]), st.text(string.ascii_letters, min_size=1)),
    st.tuples(st.sampled_from(["become", "ansible_become"]), st.sampled_from([True, False, "yes", "no", None])),
    st.tuples(_KEYS, _VALUES),
)
_PRIORITY = st.tuples(st.just("ansible_group_priority"), st.integers(-5, 5))
_VARIABLES = st.lists(_SETTINGS, max_size=3).map(dict)
_GROUP_VARIABLES = st.lists(st.one_of(_SETTINGS, _SETTINGS, _PRIORITY), max_size=3).map(dict)
_HOSTS = st.dictionaries(_HOST_NAMES, st.one_of(st.none(), _VARIABLES), max_size=4)
_BARE_HOSTS = st.dictionaries(_HOST_NAMES, st.none(), max_size=3)
_LEAVES: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional={"hosts": _BARE_HOSTS, "vars": _GROUP_VARIABLES})
_GROUPS = st.recursive(
    _LEAVES,
    lambda each: st.builds(
        lambda group, children: {**group, "children": children},
        _LEAVES,
        st.dictionaries(_GROUP_NAMES, each, max_size=3),
    ),
    max_leaves=5,
)


def read(text: str, path: Path) -> Inventory | None:
    """Return the inventory, or nothing where it is refused, which is never without a reason and a place."""
    said = str(path)
    try:
        return parse(text, path)
    except InventoryError as error:
        said = str(error)
    assert str(path) in said
    return None


@given(st.dictionaries(_GROUP_NAMES, _GROUPS, max_size=3), _HOSTS, _GROUP_VARIABLES)
def test_any_yaml_inventory_is_read_back_as_it_was(
    groups: dict[str, Any], hosts: dict[str, Any], variables: dict[str, Any]
) -> None:
    groups = {**groups, "all": {"hosts": hosts, "vars": variables}}
    inventory = read(json.dumps(groups, ensure_ascii=False), YAML)

    assert inventory is None or same(written_and_read(inventory), inventory)


_INI_VALUES = st.one_of(_WORDS, _VALUES.map(json.dumps))
_SECTIONS = st.one_of(
    st.builds("[{}]\n{}".format, _GROUP_NAMES, st.lists(_HOST_NAMES, max_size=3).map("\n".join)),
    st.builds("[{0}]\n[{0}:vars]\n{1}={2}".format, _GROUP_NAMES, _KEYS, _INI_VALUES),
    st.builds("[{0}]\n[{1}:children]\n{0}".format, _GROUP_NAMES, _GROUP_NAMES),
    st.builds("[{}]\n{} {}={}".format, _GROUP_NAMES, _HOST_NAMES, _KEYS, _INI_VALUES.map(shlex.quote)),
    st.builds("{} {}={}".format, _HOST_NAMES, _KEYS, _INI_VALUES),
)


@given(st.lists(_SECTIONS, max_size=5))
def test_any_ini_inventory_is_read_back_as_it_was(lines: list[str]) -> None:
    inventory = read("\n".join(lines), INI)

    assert inventory is None or same(written_and_read(inventory), inventory)


@given(st.text(st.one_of(st.characters(), st.sampled_from("{}[]:,-&*!|>%@`'\"# \nahostvcildr")), max_size=80))
def test_any_text_at_all_is_an_inventory_or_an_error_of_ours(text: str) -> None:
    for path in (INI, YAML, Path("/etc/lunops/heads")):
        inventory = read(text, path)

        assert inventory is None or same(written_and_read(inventory), inventory)


def test_a_thousand_heads_are_read_in_well_below_a_second() -> None:
    racks = {
        f"rack{rack}": {
            "hosts": {
                f"jbod-{rack}-{head}": {
                    "ansible_host": f"10.0.{rack}.{head}",
                    "pools": [f"p-{rack}-{head}"],
                    "slot": head,
                }
                for head in range(50)
            },
            "vars": {"ansible_user": "ops", "become": True},
        }
        for rack in range(20)
    }
    inventory = parse(json.dumps(racks), YAML)
    text = write(inventory)
    begun = time.process_time()
    again = parse(text, YAML)
    seconds = time.process_time() - begun

    assert len(again.hosts) == 1000
    assert same(again, inventory)
    assert seconds < 1.0
