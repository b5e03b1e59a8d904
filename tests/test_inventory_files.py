"""Where an inventory is read from: files, folders of them, lists of heads, and files of variables beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.errors import InventoryError
from lunops.inventory import Inventory
from lunops.inventory_files import load, read_file


def put(folder: Path, **files: str) -> None:
    """Write files; two underscores stand for a slash, and one X for a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("X", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def value(inventory: Inventory, name: str, host: str = "h") -> object:
    return inventory.hosts[host].variables[name]


def test_a_list_of_heads_needs_no_file() -> None:
    inventory = load(["h1,jbod-[01:02],"])

    assert list(inventory.hosts) == ["h1", "jbod-01", "jbod-02"]
    assert inventory.groups["ungrouped"] == ("h1", "jbod-01", "jbod-02")


def test_the_variables_beside_the_inventory_are_weaker_than_those_beside_the_playbook(tmp_path: Path) -> None:
    put(tmp_path, inv__hosts="[g]\nh a=1 b=1", inv__host_vars__hXyml="a: 2\nb: 2", book__host_vars__h="b: 3")
    inventory = load([str(tmp_path / "inv/hosts")], playbook_folder=tmp_path / "book")

    assert (value(inventory, "a"), value(inventory, "b")) == (2, 3)


def test_a_relative_path_starts_beside_the_folder_that_says_it(tmp_path: Path) -> None:
    put(tmp_path, inv__hosts="[g]\nh\n", inv__group_vars__g__keysXyml="private_key: keys/id")

    assert load([str(tmp_path / "inv/hosts")]).hosts["h"].private_key == tmp_path / "inv/keys/id"


def test_files_of_variables_for_others_are_not_even_read(tmp_path: Path) -> None:
    put(tmp_path, hosts="h", host_vars__otherXyml="][", group_vars__elsewhere="$ANSIBLE_VAULT;1.1;AES256")
    read: list[str] = []

    def note(path: Path) -> str:
        read.append(path.name)
        return read_file(path)

    load([str(tmp_path / "hosts")], read=note)

    assert read == ["hosts"]


def test_whoever_reads_the_files_may_decrypt_them(tmp_path: Path) -> None:
    put(tmp_path, hosts="h", host_vars__hXyml="$ANSIBLE_VAULT;1.1;AES256\n61")

    def decrypt(path: Path) -> str:
        text = read_file(path)
        return "secret: open" if text.startswith("$ANSIBLE_VAULT") else text

    assert value(load([str(tmp_path / "hosts")], read=decrypt), "secret") == "open"
    with pytest.raises(InventoryError, match=r"the file is encrypted.*h\.yml:1"):
        load([str(tmp_path / "hosts")])


def test_variables_of_all_reach_localhost_which_no_source_names(tmp_path: Path) -> None:
    put(tmp_path, hosts="h", group_vars__all="x: 1\nansible_connection: ssh", host_vars__localhostXyml="y: 2")
    inventory = load([str(tmp_path / "hosts")])
    [localhost] = inventory.select("localhost")

    assert (localhost.connection, localhost.variables["x"], localhost.variables["y"]) == ("local", 1, 2)
    assert localhost.groups == ()
    assert [host.name for host in inventory.select("all")] == ["h"]
    assert [host.name for host in inventory.select("all:localhost")] == ["h", "localhost"]


def test_a_localhost_in_the_inventory_is_as_it_is_written_there() -> None:
    inventory = load(["localhost,h"])

    assert [host.connection for host in inventory.select("localhost")] == ["ssh"]
    assert len(inventory.select("all")) == 2


@pytest.mark.parametrize(
    ("files", "source", "said"),
    [
        ({"inventory": "h"}, "inventry", "there is no such inventory ({}/inventry); did you mean 'inventory'?"),
        ({"d__aXyml~": "h"}, "d", "there is no inventory ({}/d); name a file"),
        ({"d__aXtoml": "h"}, "d", "what is a file in '.toml'? ({}/d/a.toml); call it .ini or .yml"),
        (
            {"i": "h", "host_vars__hXyml": "a: 1", "host_vars__hXjson": "{}"},
            "i",
            "h has two files of variables",
        ),
        ({"i": "h", "host_vars__h": "- a"}, "i", "an object of names and values ({}/host_vars/h:1:1)"),
        ({"i": "h", "host_vars__h": "a-b: 1"}, "i", "'a-b' is not a variable's name ({}/host_vars/h:1:1)"),
        ({"i": "h", "host_vars__h": "a: 1\nport: x"}, "i", "'x' is not a port ({}/host_vars/h:2:1, port)"),
        ({"i": "h", "group_vars__all": "ansible_pasword: 1"}, "i", "is not known here ({}/group_vars/all:1:1)"),
        ({"i": "[g]\nh", "group_vars__g": "ansible_group_priority: 9"}, "i", "give it in the inventory itself"),
        ({"i": "h", "host_vars__h": "[\n"}, "i", "not YAML"),
    ],
)
def test_what_is_wrong_with_the_files_is_told_with_their_names(
    tmp_path: Path, files: dict[str, str], source: str, said: str
) -> None:
    put(tmp_path, **files)

    with pytest.raises(InventoryError) as error:
        load([str(tmp_path / source)])

    assert said.format(tmp_path) in str(error.value)


def test_a_script_is_refused_and_not_read_as_comments(tmp_path: Path) -> None:
    put(tmp_path, inventory="#!/bin/sh\necho {}\n")
    (tmp_path / "inventory").chmod(0o755)

    with pytest.raises(InventoryError, match="this is a script, and lunops runs none"):
        load([str(tmp_path / "inventory")])


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "inventory").write_bytes(b"\xff")

    with pytest.raises(InventoryError, match="not UTF-8"):
        load([str(tmp_path / "inventory")])


def test_errors_of_several_sources_are_told_at_once(tmp_path: Path) -> None:
    put(tmp_path, one="h port=0", two="h: {hosts: [x]}\n", host_vars__h="become: 7")

    with pytest.raises(InventoryError) as error:
        load([str(tmp_path / "one"), str(tmp_path / "two")])

    for place in ("one:1, port", "two:1:5", "host_vars/h:1:1, become"):
        assert str(tmp_path / place) in error.value.what
