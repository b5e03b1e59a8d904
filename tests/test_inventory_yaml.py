"""Inventories in YAML: their shape, typed values, and what is said of a wrong one, with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.errors import InventoryError
from lunops.inventory import Inventory, parse
from lunops.inventory.yaml import is_yaml
from lunops.names import Portal
from lunops.yaml_source import Vaulted

PATH = Path("/etc/lunops/heads.yml")
GOOD = """\
all:
  vars:
    ansible_user: ops
  children:
    rack1:
      hosts:
        jbod-[01:02]:
          become: true
        jbod-01:
          ansible_host: 192.0.2.11
          port: 2222
          pools: [p1, p2]
          portals: ["10.0.0.1:3260", "[fd00::1]:3261"]
          private_key: keys/id
          become_user: storage
          hang_s: 30
          password: !vault |
            $ANSIBLE_VAULT;1.1;AES256
            6162
          yes: no
"""


def read(text: str) -> Inventory:
    return parse(text, PATH)


def test_settings_have_the_types_of_yaml() -> None:
    head = read(GOOD).hosts["jbod-01"]

    assert (head.address, head.port, head.user, head.become, head.become_user, head.hang_s) == (
        "192.0.2.11",
        2222,
        "ops",
        True,
        "storage",
        30.0,
    )
    assert head.pools == ("p1", "p2")
    assert head.portals == (Portal(address="10.0.0.1", port=3260), Portal(address="[fd00::1]", port=3261))
    assert head.private_key == PATH.parent / "keys/id"
    assert head.groups == ("rack1",)


def test_yes_and_no_are_text_and_a_vaulted_value_stays_encrypted() -> None:
    variables = read(GOOD).hosts["jbod-01"].variables

    assert variables["yes"] == "no"
    assert isinstance(variables["password"], Vaulted)


def test_a_setting_that_is_null_has_its_default() -> None:
    assert read("all: {vars: {port: 22}, hosts: {h: {port: null}}}").hosts["h"].port is None


def test_become_is_of_root_unless_somebody_is_named() -> None:
    assert read("all: {hosts: {h: {become: true}}}").hosts["h"].become_user == ""


@pytest.mark.parametrize(
    ("name", "text", "yaml"),
    [
        ("heads", "all:\n  hosts:\n", True),
        ("heads", "# x\n\n---\n", True),
        ("heads", '{"all": {}}', True),
        ("heads", '"all": {}', True),
        ("heads", "[all]\nh\n", False),
        ("heads", "h a=b:\n", False),
        ("heads.lab", "rack1:\n", True),
        ("heads.ini", "rack1:\n", False),
        ("heads.yaml", "h\n", True),
        ("heads.json", "{}", True),
    ],
)
def test_the_suffix_or_else_the_first_line_says_that_it_is_yaml(name: str, text: str, yaml: bool) -> None:
    assert is_yaml(Path(name), text) is yaml


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("all: [", "1:7", "not YAML"),
        ("- all", "1:1", "an object of groups; begin with `all:`"),
        ("all: {hosts: {h: }, hosts: {}}", "1:21", "a key is given twice"),
        ("all: {host: {h: }}", "1:7", "a group has no 'host', as 'all' has; did you mean 'hosts'?"),
        ("all: {hosts: [h]}", "1:7", "'hosts' is no object; write each as a key of its own"),
        ("all: {vars: text, hosts: {h: }}", "1:7", "'vars' is no object"),
        ("all: {hosts: {h: text}}", "1:15", "'h' is no object"),
        ("all: text", "1:1", "the group 'all' is no object; give it hosts, vars, children, or nothing"),
        ("a/b: {hosts: {h: }}", "1:1", "'a/b' is not a group's name"),
        ("all: {hosts: {-h: }}", "1:15", "'-h' is not a head's name"),
        ("all: {hosts: {'h[3:1]': }}", "1:15", "not a range"),
        ("all: {hosts: {1: }}", "1:15", "the key 1 is no text; quote it"),
        ("all: {hosts: {h: {1x: 2}}}", "1:19", "'1x' is not a variable's name"),
        ("all: {hosts: {h: {x: .nan}}}", "1:19", "no number of JSON"),
        ("all: {hosts: {h: {x: !secret y}}}", "1:19", "the tag !secret is not known"),
        ("all: {hosts: {h: {port: 0}}}", "1:19, port", "0 is not a port; write a number from 1 to 65535"),
        ("all: {hosts: {h: {port: true}}}", "1:19, port", "True is not a port"),
        ("all: {hosts: {h: {user: [a]}}}", "1:19, user", "['a'] is no text; put it in quotes"),
        ("all: {hosts: {h: {user: true}}}", "1:19, user", "True is no text; put it in quotes"),
        ("all: {hosts: {h: {host: '{{ x }}.lan'}}}", "1:19, host", "is an expression; write the value"),
        ("all: {hosts: {h: {user: !vault x}}}", "1:19, user", "it is encrypted"),
        ("all: {hosts: {h: {become: 2}}}", "1:19, become", "2 is neither true nor false"),
        ("all: {hosts: {h: {pools: [a, '']}}}", "1:19, pools", "an empty word"),
        ("all: {hosts: {h: {pools: [a/b]}}}", "1:19, pools", "a dataset, not a pool"),
        ("all: {hosts: {h: {portals: [x]}}}", "1:19, portals", "'x' is not a portal"),
        ("all: {hosts: {h: {hang_s: 0}}}", "1:19, hang_s", "no number of seconds"),
        ("all: {hosts: {h: {key: '~nobody-at-all/x', private_key: '~nobody-at-all/x'}}}", "1:44", "who is not known"),
        (
            "all: {hosts: {h: {user: a, ansible_user: b}}}",
            "1:28",
            "has both 'user' and 'ansible_user'",
        ),
        ("a: {hosts: {h: {x: 1}}}\nb: {hosts: {h: {x: 2}}}", "2:17", "'x' of h is given twice"),
        ("a: {hosts: {h: {x: 1}}}\nb: {hosts: {h: {x: true}}}", "2:17", "'x' of h is given twice"),
        ("a: {hosts: {h: }, children: {b: {children: {a: }}}}", "1:45", "a group is in itself: b > a > b"),
        ("a: {hosts: {h: }, children: {all: }}", "1:30", "all has every group in it"),
        ("a: {hosts: {h: }, children: {ungrouped: }}", "1:30", "for the heads that are in no group"),
        ("a: {hosts: {h: }, vars: {ansible_group_priority: high}}", "1:26", "write a whole number, such as 10"),
        ("a: {hosts: {h: {ansible_group_priority: 3}}}", "1:17", "is for groups; give it to a group"),
        ("plugin: constructed\nkeyed_groups: []", "1:1", "the configuration of a plugin"),
        ("all: {hosts: {h: {ansible_become_password: x}}}", "1:19", "give the password with -K"),
        ("all: {hosts: {h: {become_password: x}}}", "1:19", "NOPASSWD"),
        ("all: {hosts: {h: {ansible_become_method: su}}}", "1:19", "lunops knows sudo only"),
        ("all: {hosts: {h: {ansible_password: x}}}", "1:19", "a key or an ssh agent"),
        ("all: {hosts: {h: {ansible_ssh_common_args: x}}}", "1:19", "~/.ssh/config"),
        ("all: {hosts: {h: {ansible_usr: x}}}", "1:19", "did you mean 'ansible_user'?"),
        ("all: {hosts: {h: {ansible_shell_type: x}}}", "1:19", "'ansible_shell_type' is not known here"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162", "1", "the file is encrypted"),
        ("all: {vars: {x: 1}}", "", "the inventory names no head"),
    ],
)
def test_a_wrong_inventory_is_an_error_with_line_and_column(text: str, place: str, said: str) -> None:
    with pytest.raises(InventoryError) as error:
        read(text)

    assert error.value.where == f"{PATH}:{place}".removesuffix(":") or error.value.where.startswith(f"{PATH}:{place},")
    assert said in f"{error.value.what}; {error.value.fix}"


def test_sudo_as_the_way_to_become_is_taken_since_it_is_the_only_one() -> None:
    assert read("all: {hosts: {h: {ansible_become: true, ansible_become_method: sudo}}}").hosts["h"].become


def test_a_value_with_too_many_lists_in_each_other_is_refused() -> None:
    with pytest.raises(InventoryError, match="make it flatter"):
        read(f"all: {{hosts: {{h: {{x: {'[' * 25}{']' * 25}}}}}}}")


def test_all_errors_are_told_at_once_each_with_its_place() -> None:
    with pytest.raises(InventoryError) as error:
        read("all:\n  hosts:\n    a: {port: 0, usr: x}\n    -b:\n  vars: {hang_s: x, ansible_ssh_pass: y}\n  kids:\n")

    assert error.value.what.startswith("5 errors:")
    for place in ("3:9, port", "4:5", "5:10, hang_s", "5:21", "6:3"):
        assert f"({PATH}:{place})" in error.value.what


def test_all_errors_of_an_ini_file_are_told_at_once_and_the_lines_of_a_wrong_section_are_passed_over() -> None:
    with pytest.raises(InventoryError) as error:
        parse("h port=0\n[rack:hosts]\nx y z\n[rack]\nh x\n[rak:vars]\na=b\n", Path("heads.ini"))

    assert error.value.what.startswith("4 errors:")
    for line in (1, 2, 5, 6):
        assert f"(heads.ini:{line}" in error.value.what
