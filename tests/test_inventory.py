"""The inventory: its lines, its variables, who is meant by a pattern, and what is said of a wrong line."""

from __future__ import annotations

import json
import shlex
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import InventoryError
from lunops.inventory import Inventory, parse
from lunops.names import Portal
from lunops.typed import typed

PATH = Path("/etc/lunops/inventory")
HEADS = """\
# the storage heads
jbod-00 connection=local pools=spare

[rack1]
jbod-01 ansible_host=192.0.2.11 pools=p1,p2 become=true
jbod-02 host=192.0.2.12 pools='["p3"]' portals=10.0.0.2:3260,[fd00::2]:3261

[rack2]
jbod-[03:05] user=root   ; not a comment, so it would be refused
"""
GOOD = (
    HEADS.replace("   ; not a comment, so it would be refused", "   # a comment")
    + """
[all-racks:children]
rack1
rack2

[all-racks:vars]
user = ops  # who logs in
private_key = keys/id
note = "a # b"

[rack2:vars]
port=2222
"""
)


def read(text: str) -> Inventory:
    return parse(text, PATH)


def names(inventory: Inventory, pattern: str) -> list[str]:
    return [host.name for host in inventory.select(pattern)]


def test_heads_come_in_the_order_of_the_file_with_ranges_spelt_out() -> None:
    assert list(read(GOOD).hosts) == ["jbod-00", "jbod-01", "jbod-02", "jbod-03", "jbod-04", "jbod-05"]


def test_ansibles_names_for_settings_are_taken_as_ours() -> None:
    head = read(
        "h ansible_host=a ansible_port=22 ansible_user=u ansible_ssh_private_key_file=/k ansible_become=yes"
        " ansible_connection=ssh ansible_python_interpreter=/usr/bin/python3.9"
    ).hosts["h"]

    assert (head.address, head.port, head.user, head.private_key) == ("a", 22, "u", Path("/k"))
    assert (head.become, head.connection, head.python) == (True, "ssh", "/usr/bin/python3.9")


def test_what_is_left_out_has_its_default() -> None:
    head = read("jbod-09").hosts["jbod-09"]

    assert (head.connection, head.address, head.port, head.user) == ("ssh", "jbod-09", None, "")
    assert (head.become, head.python, head.pools) == (False, "python3", ())
    assert head.portals == (Portal(address="0.0.0.0", port=3260),)
    assert head.state == Path("/etc/lunops/jbod-09.sim")


def test_relative_paths_start_at_the_inventorys_folder_and_a_tilde_at_the_users_home() -> None:
    head = read("h private_key=keys/id known_hosts=~/kh state=/var/lib/x").hosts["h"]

    assert head.private_key == Path("/etc/lunops/keys/id")
    assert head.known_hosts == Path.home() / "kh"
    assert head.state == Path("/var/lib/x")


def test_a_head_takes_its_groups_variables_and_its_own_line_wins() -> None:
    hosts = read(GOOD).hosts

    assert (hosts["jbod-01"].user, hosts["jbod-01"].port, hosts["jbod-01"].private_key) == (
        "ops",
        None,
        PATH.parent / "keys/id",
    )
    assert (hosts["jbod-04"].user, hosts["jbod-04"].port) == ("root", 2222)
    assert hosts["jbod-00"].user == ""
    assert hosts["jbod-04"].variables["note"] == "a # b"
    assert hosts["jbod-04"].groups == ("all-racks", "rack2")


def test_the_deeper_group_wins_as_in_ansible() -> None:
    text = "[a]\nh\n[z:children]\nc\n[c]\nh\n[a:vars]\nx=1\n[z:vars]\nx=2\ny=2\n[c:vars]\ny=3\n[all:vars]\nx=0\nz=0\n"

    assert {key: read(text).hosts["h"].variables[key] for key in "xyz"} == {"x": 2, "y": 3, "z": 0}


def test_variables_are_json_where_they_are_json_and_else_text() -> None:
    variables = read("""h a=1 b=true c='[1, "x"]' d="two words" e=01 f=False g=NaN h={{7*7}} i=""").hosts["h"].variables

    assert [variables[key] for key in "abcdefghi"] == [
        1,
        True,
        [1, "x"],
        "two words",
        "01",
        False,
        "NaN",
        "{{7*7}}",
        "",
    ]


def test_templates_see_the_heads_name_groups_and_pools() -> None:
    variables = read(GOOD).hosts["jbod-01"].variables

    assert variables["inventory_hostname"] == "jbod-01"
    assert variables["group_names"] == ["all-racks", "rack1"]
    assert variables["pools"] == ["p1", "p2"]


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("all", ["jbod-00", "jbod-01", "jbod-02", "jbod-03", "jbod-04", "jbod-05"]),
        ("jbod-02", ["jbod-02"]),
        ("jbod-02,jbod-01", ["jbod-01", "jbod-02"]),
        ("rack1:jbod-03", ["jbod-01", "jbod-02", "jbod-03"]),
        ("rack*", ["jbod-01", "jbod-02", "jbod-03", "jbod-04", "jbod-05"]),
        ("jbod-0[35]", ["jbod-03", "jbod-05"]),
        ("all-racks,!rack1,!jbod-04", ["jbod-03", "jbod-05"]),
        ("!rack2,!rack1", ["jbod-00"]),
        ("ungrouped", ["jbod-00"]),
        ("all,&rack1", ["jbod-01", "jbod-02"]),
    ],
)
def test_a_pattern_names_heads_groups_and_globs(pattern: str, chosen: list[str]) -> None:
    assert names(read(GOOD), pattern) == chosen


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        ("jbod-1", "did you mean 'jbod-01'?"),
        ("rak1", "'rack1'"),
        ("rack1,!rack1", ""),
        ("all,!jbd-00", "'jbod-00'"),
        ("", ""),
    ],
)
def test_a_pattern_that_names_nothing_is_an_error_with_the_nearest_name(pattern: str, fix: str) -> None:
    with pytest.raises(InventoryError) as error:
        read(GOOD).select(pattern)

    assert fix in error.value.fix
    assert error.value.where == str(PATH)


def test_the_head_of_a_pool_is_found_and_an_unknown_pool_names_the_nearest() -> None:
    inventory = read("a pools=jbod-01-p01\nb pools=jbod-02-p01")

    assert inventory.host_for_pool("jbod-02-p01").name == "b"
    with pytest.raises(InventoryError, match=r"no head has the pool 'jbod-02-p1'.*did you mean 'jbod-02-p01'"):
        inventory.host_for_pool("jbod-02-p1")


def test_a_misspelt_pools_is_pointed_out_when_a_pool_is_looked_for() -> None:
    with pytest.raises(InventoryError, match="did you mean 'pools'"):
        read("a pool=tank").host_for_pool("tank")


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("h\n[rack", 2, "not a group"),
        ("[rack:childs]", 1, "did you mean 'children'"),
        ("[racks]\nh\n[rack:vars]\nx=1", 3, "did you mean 'racks'"),
        ("[racks]\nh\n[all-racks:children]\nrack", 4, "did you mean 'racks'"),
        ("[a:children]\nb\n[b:children]\na", 4, "in itself"),
        ("[a]\nh\n[a:vars]\nnonsense", 4, "sets nothing"),
        ("h x", 1, "'x' after h is no variable"),
        ("h 'x=1", 1, "close the quote"),
        ("h 1x=1", 1, "not a variable's name"),
        ("h/../etc", 1, "not a head's name"),
        ("-h", 1, "not a head's name"),
        ("h[05:1]", 1, "not a range"),
        ("h[1:999999]", 1, "more than"),
        ("h port=22 port=23", 1, "given twice"),
        ("h port=22\nh port=23", 2, "given twice"),
        ("h port=22 ansible_port=23", 1, "differ"),
        ("h port=0", 1, "not a port"),
        ("h port=ssh", 1, "not a port"),
        ("h connection=sssh", 1, "did you mean 'ssh'"),
        ("h become=maybe", 1, "neither true nor false"),
        ("h pools=a,,b", 1, "empty word"),
        ("h pools=a/b", 1, "write a"),
        ("h pools=a,a", 1, "given twice"),
        ("h portals=10.0.0.1:x", 1, "not a portal"),
        ("h user=", 1, "empty"),
        ("h ansible_usr=x", 1, "did you mean 'ansible_user'"),
        ("h ansible_ssh_common_args=x", 1, "not known here"),
        ("a pools=p\nb pools=q,p", 2, "on two heads, a (/etc/lunops/inventory:1) and b"),
    ],
)
def test_a_wrong_line_is_an_error_that_names_it(text: str, place: int, said: str) -> None:
    with pytest.raises(InventoryError) as error:
        read(text)

    assert error.value.where.split(",")[0] == f"{PATH}:{place}"
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[empty]\n"])
def test_an_inventory_without_a_head_is_an_error(text: str) -> None:
    with pytest.raises(InventoryError, match="names no head"):
        read(text)


_WORD = st.text(alphabet=string.ascii_lowercase + string.digits, min_size=1, max_size=8)
_NAME = st.builds("h{}".format, _WORD)
_VALUE = st.text(
    alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\x85"), max_size=20
)


@given(st.dictionaries(_NAME, st.dictionaries(st.builds("v_{}".format, _WORD), _VALUE, max_size=3), min_size=1))
def test_quoted_values_read_back_as_they_were_written(heads: dict[str, dict[str, str]]) -> None:
    lines = [
        " ".join([name, *(shlex.quote(f"{key}={value}") for key, value in each.items())])
        for name, each in heads.items()
    ]
    inventory = read("\n".join(lines))

    assert list(inventory.hosts) == list(heads)
    for name, each in heads.items():
        assert {key: inventory.hosts[name].variables[key] for key in each} == {k: typed(v) for k, v in each.items()}


@given(st.one_of(_VALUE, st.sampled_from(["NaN", "Infinity", "1e5", "-0", "[", "{}", "01", "True", "None", "none"])))
def test_a_value_is_json_or_the_text_itself(text: str) -> None:
    value = typed(text)

    assert value == text or text in ("True", "False", "None") or json.loads(text) == value
    json.dumps(value, allow_nan=False)


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("[]:=\n#;'\" ahpools")), max_size=200))
def test_any_text_is_an_inventory_or_an_error_of_ours(text: str) -> None:
    error, inventory = "", None
    try:
        inventory = read(text)
    except InventoryError as problem:
        error = str(problem)

    assert inventory is not None or str(PATH) in error
    for host in inventory.hosts.values() if inventory else ():
        assert "/" not in host.name
        assert not host.name.startswith("-")
