"""The life of nodes by the playbooks that ship with lunops, on a real head, with a real initiator as the node."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import lab
from tests.acceptance.eyes import LabEyes, qemu_io
from tests.operations.bench import Bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

MIB = 1 << 20
OLD, NEW = 0x41, 0x42  # what the two images are full of
NODES = ("n1", "n2", "n3")


class Site:
    """A user with an image of the test's own on the head of the bench, and nodes that are made of it."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        assert isinstance(bench.eyes, LabEyes)
        self.bench, self.eyes, self.portal = bench, bench.eyes, bench.eyes.head.portal
        self.image, self.where = f"{bench.folder}/img", f"{bench.folder}/nodes"
        self.prefix = f"iqn.2024-01.org.example:{bench.test}."
        self.inventory = folder / "inventory"
        self.inventory.write_text(lab("inventory"))
        self.common: Mapping[str, Any] = {
            "wwn_prefix": self.prefix,
            "initiators": self.prefix + "init.{node}",
            "where": self.where,
            "nodes": "n[1:3]",
        }

    def play(self, name: str, variables: Mapping[str, Any], *more: str, code: int = 0) -> dict[str, Any]:
        words = ["run", name, "-i", str(self.inventory), "-e", json.dumps(variables), "--json", *more]
        done = subprocess.run(
            [sys.executable, "-m", "lunops", *words], capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        value: dict[str, Any] = json.loads(done.stdout)
        return value

    def fill(self, byte: int) -> None:
        """Write one byte all over the image, as whoever makes a new golden image does."""
        path = f"/dev/zvol/{self.image}"
        self.eyes.shell(
            f"for i in $(seq 200); do test -b {path} && break; sleep 0.1; done; "
            f"head -c {MIB} /dev/zero | tr '\\0' '\\{byte:o}' | dd of={path} bs=64k conv=notrunc,fsync 2>/dev/null; "
            f"zpool sync {self.bench.pool}"
        )

    def reads(self, node: str, byte: int) -> bool:
        """Return whether the node, logged in, finds its disk full of this byte."""
        said = qemu_io(self.portal, *self.login(node), f"read -P {byte} 0 {MIB}")
        return f"read {MIB}/{MIB}" in said and "failed" not in said

    def login(self, node: str) -> tuple[str, str]:
        """Return a node's target and initiator."""
        return self.prefix + node, f"{self.prefix}init.{node}"

    def volumes(self) -> list[str]:
        """Return the names of the nodes' volumes."""
        _code, out = self.eyes.run(["zfs", "list", "-H", "-r", "-t", "volume", "-o", "name", self.where])
        return [name.rpartition("/")[2] for name in out.split()]

    def serial(self, node: str) -> str:
        """Return the unit serial number that the node is told of its disk."""
        wwn, initiator = self.login(node)
        words = ["iscsi-inq", "-i", initiator, "-e", "1", "-c", "128", f"iscsi://{self.portal}/{wwn}/0"]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
        return done.stdout.split("Unit Serial Number:")[1].strip()


@pytest.fixture
def site(bench: Bench, tmp_path: Path) -> Iterator[Site]:
    site = Site(bench, tmp_path)
    site.eyes.shell(f"zfs create -p {bench.folder} && zfs create -s -V 16M {site.image}")
    yield site
    if site.volumes():
        site.play("take-down-nodes.yml", site.common)
    site.eyes.run(["sh", "-c", f"zfs release golden {site.image}@1 {site.image}@2; zfs destroy -R {bench.folder}"])


def changed(value: Mapping[str, Any]) -> set[str]:
    return {task["name"] for task in value["tasks"] if task["status"] == "changed"}


def errors(value: Mapping[str, Any]) -> str:
    return "\n".join(item["error"] for task in value["tasks"] for item in task["items"] if item.get("error"))


def test_nodes_live_from_their_first_image_over_a_second_one_to_their_end(site: Site) -> None:
    provision = {**site.common, "image": f"{site.image}@1"}
    refresh = {**site.common, "image": f"{site.image}@2", "racks": {"r1": "n1", "r2": ["n2", "n3"]}, "forget": True}

    # a first image, and nodes of it
    site.fill(OLD)
    site.play("snapshot-image.yml", {"images": site.image, "name": "1"})
    would = site.play("provision-nodes.yml", provision, "--check", "--diff")
    done = site.play("provision-nodes.yml", provision)
    assert changed(would) == changed(done) == {"Make and share a disk for each node"}
    assert [site.reads(node, OLD) for node in NODES] == [True, True, True]
    serials = [site.serial(node) for node in NODES]
    assert len(set(serials)) == 3

    # a second image; a rack with a node at work is not begun
    site.fill(NEW)
    site.play("snapshot-image.yml", {"images": site.image, "name": "2"})
    with site.eyes.log_in(*site.login("n3")):
        refused = site.play("refresh-nodes.yml", refresh, code=2)
    assert site.login("n3")[1] in errors(refused)
    assert [site.reads("n1", NEW), site.reads("n2", OLD), site.reads("n3", OLD)] == [True, True, True]

    # and with nobody at work: the same disks with another content
    site.play("refresh-nodes.yml", refresh)
    assert [site.reads(node, NEW) for node in NODES] == [True, True, True]
    assert [site.serial(node) for node in NODES] == serials
    assert site.volumes() == [*NODES]
    assert changed(site.play("refresh-nodes.yml", refresh)) == set()

    # bigger, while one is logged in; and gone, but not under whoever is at work
    with site.eyes.log_in(*site.login("n1")):
        site.play("resize-nodes.yml", {**site.common, "size": "32M"})
        refused = site.play("take-down-nodes.yml", {**site.common, "nodes": "n[1:2]"}, code=2)
    assert site.login("n1")[1] in errors(refused)
    assert site.volumes() == ["n1", "n3"]
    assert "32 MiB" in qemu_io(site.portal, *site.login("n3"), "length")
    site.play("take-down-nodes.yml", site.common)
    assert site.volumes() == []


def test_a_rack_that_fails_half_way_is_put_back(site: Site) -> None:
    for byte, name in ((OLD, "1"), (NEW, "2")):
        site.fill(byte)
        site.eyes.shell(f"zfs snapshot {site.image}@{name}")
    site.play("provision-nodes.yml", {**site.common, "image": f"{site.image}@1"})
    serials = [site.serial(node) for node in NODES]
    site.eyes.shell(f"zfs set quota=20M {site.where}")  # room for the reservations of two of the three
    refresh = {
        **site.common,
        "image": f"{site.image}@2",
        "racks": {"r1": "n[1:3]"},
        "properties": {"refreservation": "8M"},
    }

    value = site.play("refresh-nodes.yml", refresh, code=2)

    assert "the rack r1 was put back" in errors(value)
    made = [task for task in value["tasks"] if task["name"] == "Make and share the new disks"]
    assert sorted(item["status"] for task in made for item in task["items"]) == ["changed", "changed", "failed"]
    assert [site.reads(node, OLD) for node in NODES] == [True, True, True]
    assert [site.serial(node) for node in NODES] == serials
    assert site.volumes() == [*NODES]
