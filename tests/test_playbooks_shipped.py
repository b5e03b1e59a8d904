"""The playbooks that ship with lunops, run as a user runs them, on simulated heads: previewed, done, done again."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lunops.cli import run
from lunops.resources import playbook_folder
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SAVECONFIG, SimulatedSystem

NAMES = sorted(path.name for path in playbook_folder().glob("*-*.yml"))
PREFIX = "iqn.2024-01.org.example:"
GOLDEN = "p1/images/golden"
COMMON: Mapping[str, Any] = {"wwn_prefix": PREFIX, "initiators": PREFIX + "init.{node}"}
PROVISION: Mapping[str, Any] = {**COMMON, "image": f"{GOLDEN}@1", "nodes": "n-[01:04]"}
REFRESH: Mapping[str, Any] = {
    **COMMON,
    "image": f"{GOLDEN}@2",
    "where": "p1/nodes",
    "racks": {"r1": "n-[01:02]", "r2": ["n-03", "n-04"]},
}
NODES = ("n-01", "n-02", "n-03", "n-04")


class Site:
    """Two simulated heads and a user who runs playbooks on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.inventory = folder / "inventory"
        self.inventory.write_text("h1 connection=sim pools=p1\nh2 connection=sim pools=p2\n")
        self._capsys = capsys
        self.head = SimulatedSystem(folder / "h1.sim", pools=["p1"])
        self.other = SimulatedSystem(folder / "h2.sim", pools=["p2"])

    def play(self, name: str, variables: Mapping[str, Any] = {}, *more: str, code: int = 0) -> Any:
        """Run a playbook; return its result, or what was said where nothing was run."""
        self._capsys.readouterr()
        words = ["run", name, "-i", str(self.inventory), "-e", json.dumps(variables), *more]
        found = run([*words, "--json"])
        captured = self._capsys.readouterr()
        assert found == code, captured
        return json.loads(captured.out) if found != 8 else captured.err

    def origins(self, folder: str = "p1/nodes") -> dict[str, str]:
        """Return the clones and the snapshots that they are of."""
        out = self.head.run(["zfs", "list", "-Hp", "-r", "-t", "volume", "-o", "name,origin", folder]).out
        return {name.rpartition("/")[2]: origin for name, origin in (line.split("\t") for line in out.splitlines())}

    def value(self, name: str, key: str) -> str:
        return self.head.run(["zfs", "get", "-Hp", "-o", "value", key, name]).out.strip()

    def served(self) -> dict[str, tuple[str, str]]:
        """Return, by target, the device and serial of the disk that is served; the kernel and the file must agree."""
        saved = json.loads(self.head.read(SAVECONFIG)) if self.head.exists(SAVECONFIG) else {}
        disks = {one["name"]: (one["dev"], one["wwn"]) for one in saved.get("storage_objects", [])}
        found = {}
        for target in saved.get("targets", []):
            (lun,) = target["tpgs"][0]["luns"]
            found[target["wwn"].removeprefix(PREFIX)] = disks[lun["storage_object"].rpartition("/")[2]]
        iscsi = "/sys/kernel/config/target/iscsi"
        kernel = {one.removeprefix(PREFIX) for one in self.head.listdir(iscsi) if one.startswith(PREFIX)}
        assert kernel == set(found)
        return found

    def drift(self) -> Any:
        """Return what is not as it is recorded on any head."""
        value = self.play("reconcile-heads.yml", {}, "--check")
        return [item["data"] for task in value["tasks"] if task["module"] == "drift" for item in task["items"]]

    def state(self) -> Any:
        """Return all that a playbook could change on the head."""
        zfs = self.head.run(["zfs", "list", "-Hp", "-r", "-t", "all", "-o", "name,origin,volsize,lunops:aside", "p1"])
        return zfs.out, self.served(), self.head.run(["zfs", "holds", "-Hr", "p1"]).out.split("\t")[:2]


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    found = Site(tmp_path, capsys)
    yield found
    found.head.close()
    found.other.close()


@pytest.fixture
def nodes(site: Site) -> Site:
    """Four nodes on the first image, and a second image."""
    site.play("provision-nodes.yml", PROVISION)
    site.head.run(["zfs", "snapshot", f"{GOLDEN}@2"])
    return site


def errors(value: Any) -> str:
    return "\n".join(item["error"] for task in value["tasks"] for item in task["items"] if item.get("error"))


def statuses(value: Any, module: str) -> dict[str, str]:
    return {item["key"]: item["status"] for t in value["tasks"] if t["module"] == module for item in t["items"]}


def changed(value: Any) -> set[str]:
    """Return the names of the tasks that changed something."""
    return {task["name"] for task in value["tasks"] if task["status"] == "changed"}


def tried(site: Site, name: str, variables: Mapping[str, Any]) -> tuple[Any, Any]:
    """Preview a playbook, which must change nothing; do it; do it again, which must change nothing more."""
    before = site.state()
    checked = site.play(name, variables, "--check", "--diff")
    assert site.state() == before
    done = site.play(name, variables)
    after = site.state()
    again = site.play(name, variables)
    assert changed(again) == set()
    assert site.state() == after
    return checked, done


# -- all of them ----------------------------------------------------------------------------------------------


def test_each_is_in_the_table_and_in_a_test_of_its_own() -> None:
    table = re.findall(r"^\| \[([a-z-]+\.yml)\]", (playbook_folder() / "README.md").read_text("utf-8"), re.MULTILINE)
    here = Path(__file__).parent
    tests = "".join(path.read_text("utf-8") for path in here.glob("test_*.py"))

    assert sorted(table) == NAMES
    assert [name for name in NAMES if f'"{name}", ' not in tests] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_says_at_its_top_how_it_is_called_and_is_found_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (playbook_folder() / name).read_text("utf-8")
    head = text[: text.index("\n- name:")]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory").write_text("h1 connection=sim pools=p1\n")

    assert run(["run", name, "-i", "inventory", "--list-tasks"]) == 0
    assert "TAGS" in capsys.readouterr().out
    assert all(line.startswith("#") for line in head.strip().splitlines())
    assert re.search(rf"#   lunops run (?:playbooks/)?{re.escape(name)} -i inventory", head)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("provision-nodes.yml", {**PROVISION, "nodes": None}, "say which nodes: -e nodes=node-[001:120]"),
        ("provision-nodes.yml", {**PROVISION, "image": None}, "say which snapshot to clone"),
        ("provision-nodes.yml", {**PROVISION, "wwn_prefix": None}, "say how the targets are called"),
        ("provision-nodes.yml", {**PROVISION, "initiators": None}, "say who may log in"),
        ("provision-nodes.yml", {**PROVISION, "nodes": "n-[3:1]"}, "the end comes before the start"),
        ("provision-nodes.yml", {**PROVISION, "nodes": "n1,n1"}, "twice on h1"),
        ("provision-nodes.yml", {**PROVISION, "wwn_prefix": "disk-"}, "is not an IQN"),
        ("provision-nodes.yml", {**PROVISION, "where": "p2/nodes"}, "is not in the pool of p1/images/golden@1"),
        ("provision-nodes.yml", {**PROVISION, "image": "px/golden@1"}, "px"),
        ("take-down-nodes.yml", {"nodes": "n1", "wwn_prefix": PREFIX}, "say under which dataset the clones are"),
        ("refresh-nodes.yml", {**REFRESH, "racks": None}, "say which racks"),
        ("refresh-nodes.yml", {**REFRESH, "image": None}, "say what to give them"),
        ("refresh-nodes.yml", {**REFRESH, "where": None}, "say where the clones are"),
        ("resize-nodes.yml", {"nodes": "n1", "where": "p1/nodes"}, "say how big they are to be"),
        ("resize-nodes.yml", {"nodes": "n1", "where": "p1/nodes", "size": "big"}, "size"),
        ("snapshot-image.yml", {"images": GOLDEN}, "say how the snapshot is to be called"),
        ("snapshot-image.yml", {"images": GOLDEN, "name": "a@b"}, "a@b"),
        ("snapshot-image.yml", {"name": "2"}, "say which datasets"),
        ("replicate-image.yml", {}, "say which snapshot to bring"),
    ],
)
def test_a_variable_that_is_missing_or_wrong_is_told_before_anything_is_run(
    site: Site, name: str, given: Mapping[str, Any], said: str
) -> None:
    before = site.head.journal()
    told = site.play(name, {key: value for key, value in given.items() if value is not None}, code=8)

    assert said in told
    assert site.head.journal() == before


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("provision-nodes.yml", PROVISION),
        ("take-down-nodes.yml", {"nodes": "n1", "where": "p1/nodes", "wwn_prefix": PREFIX}),
        ("refresh-nodes.yml", REFRESH),
        ("resize-nodes.yml", {"nodes": "n1", "where": "p1/nodes", "size": "1G"}),
        ("snapshot-image.yml", {"images": GOLDEN, "name": "2"}),
        ("replicate-image.yml", {"image": f"{GOLDEN}@1"}),
    ],
)
def test_a_limit_that_leaves_out_the_head_that_is_meant_is_an_error(
    site: Site, name: str, given: Mapping[str, Any]
) -> None:
    value = site.play(name, given, "--limit", "h2", code=2)

    assert "--limit must not leave out" in errors(value)


# -- provision and take down ----------------------------------------------------------------------------------


def test_nodes_are_provisioned_from_a_range(site: Site) -> None:
    checked, done = tried(site, "provision-nodes.yml", {**PROVISION, "properties": {"compression": "lz4"}})

    assert statuses(checked, "lun") == statuses(done, "lun")
    assert site.origins() == dict.fromkeys(NODES, f"{GOLDEN}@1")
    assert set(site.served()) == set(NODES)
    assert site.value("p1/nodes/n-03", "compression") == "lz4"
    assert site.head.listdir(f"/sys/kernel/config/target/iscsi/{PREFIX}n-03/tpgt_1/acls") == [f"{PREFIX}init.n-03"]


def test_variables_of_the_inventory_are_taken_and_lists_too(site: Site) -> None:
    (site.folder / "group_vars").mkdir()
    (site.folder / "group_vars" / "all.yml").write_text(json.dumps({**COMMON, "where": "p2/disks"}))

    site.play("provision-nodes.yml", {"image": "p2/images/golden@1", "nodes": ["a", "b-[1:2]"]})

    out = site.other.run(["zfs", "list", "-Hp", "-r", "-t", "volume", "-o", "name", "p2/disks"]).out.split()
    assert out == ["p2/disks/a", "p2/disks/b-1", "p2/disks/b-2"]


def test_an_image_that_is_not_there_is_told_and_nothing_is_made(site: Site) -> None:
    value = site.play("provision-nodes.yml", {**PROVISION, "image": f"{GOLDEN}@9"}, code=2)

    assert f"the snapshot {GOLDEN}@9 does not exist" in errors(value)
    assert site.origins() == {}
    assert site.served() == {}


def test_nodes_are_taken_down_but_for_what_is_in_use_or_not_of_our_making(nodes: Site) -> None:
    take_down = {"nodes": "n-[01:04],stranger", "where": "p1/nodes", "wwn_prefix": PREFIX}
    nodes.head.run(["zfs", "create", "-s", "-V", "64M", "p1/nodes/stranger"])
    nodes.head.log_in(f"{PREFIX}n-02", f"{PREFIX}init.n-02")

    value = nodes.play("take-down-nodes.yml", take_down, code=2)

    assert f"{PREFIX}init.n-02" in errors(value)
    assert "p1/nodes/stranger was not made by lunops" in errors(value)
    assert set(nodes.origins()) == {"n-02", "stranger"}
    assert set(nodes.served()) == {"n-02"}


def test_taking_down_shows_does_and_repeats(nodes: Site) -> None:
    names = {"nodes": "n-[01:03]", "where": "p1/nodes", "wwn_prefix": PREFIX}
    kept = {**names, "keep_clones": True}

    tried(nodes, "take-down-nodes.yml", kept)
    left = (set(nodes.origins()), set(nodes.served()))
    tried(nodes, "take-down-nodes.yml", names)

    assert left == (set(NODES), {"n-04"})
    assert set(nodes.origins()) == set(nodes.served()) == {"n-04"}
    assert nodes.drift() == [[], []]


# -- refresh --------------------------------------------------------------------------------------------------


def test_nodes_get_a_new_image_and_their_disks_stay_the_same_disks(nodes: Site) -> None:
    before = nodes.served()

    checked, done = tried(nodes, "refresh-nodes.yml", REFRESH)

    assert {"See that nobody uses a disk that is to be replaced", "Put the old clones aside"} <= changed(checked)
    assert {"Unshare the disks", "Put the old clones aside", "Make and share the new disks"} == changed(done)
    assert nodes.served() == before
    assert nodes.origins() == dict.fromkeys(NODES, f"{GOLDEN}@2") | {
        f"{node}.before-2": f"{GOLDEN}@1" for node in NODES
    }
    assert nodes.drift() == [[], []]
    tried(nodes, "refresh-nodes.yml", {**REFRESH, "forget": True})
    assert nodes.origins() == dict.fromkeys(NODES, f"{GOLDEN}@2")
    assert nodes.served() == before


def test_a_rack_with_a_node_in_use_is_not_begun_and_each_is_told(nodes: Site) -> None:
    refresh = {**REFRESH, "racks": {"r1": "n-01", "r2": "n-[02:04]"}, "forget": True}
    for node in ("n-03", "n-04"):
        nodes.head.log_in(PREFIX + node, f"{PREFIX}init.{node}")
    served = nodes.served()

    for more in (("--check",), ()):
        value = nodes.play("refresh-nodes.yml", refresh, *more, code=2)
        assert [f"{PREFIX}init.{node}" in errors(value) for node in NODES] == [False, False, True, True]

    assert nodes.served() == served
    assert (
        nodes.origins()
        == {
            "n-01": f"{GOLDEN}@2",
            "n-01.before-2": f"{GOLDEN}@1",  # nothing is forgotten where not all is done
            **dict.fromkeys(NODES[1:], f"{GOLDEN}@1"),
        }
    )


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="zfs clone", match="n-04", stderr="out of space"),
        Fault(on="zfs rename", match="n-04", stderr="dataset is busy"),
        Fault(on="mkdir", match=f"{PREFIX}n-04$", nth=1, errno=12),
        Fault(on="rmdir", match=f"{PREFIX}n-04$", nth=1, errno=16),
        Fault(on="replace", match="saveconfig", nth=2, errno=28),
    ],
    ids=["clone", "rename", "share", "unshare", "save"],
)
def test_a_fault_in_a_rack_puts_it_back_and_begins_no_other(nodes: Site, fault: Fault) -> None:
    refresh = {**REFRESH, "racks": {"r1": "n-02", "r2": ["n-03", "n-04"], "r3": "n-01"}, "forget": True}
    nodes.play("refresh-nodes.yml", {**REFRESH, "racks": {"r1": "n-02"}})
    before = nodes.state()
    nodes.head.set_faults(Faults(faults=(fault,)))

    value = nodes.play("refresh-nodes.yml", refresh, code=2)
    nodes.head.set_faults(Faults())

    assert "the rack r2 was put back as it was" in errors(value)
    assert nodes.state() == before
    assert nodes.drift() == [[], []]
    nodes.play("refresh-nodes.yml", refresh)
    assert nodes.origins() == dict.fromkeys(NODES, f"{GOLDEN}@2")


def test_a_refresh_that_was_killed_is_gone_on_with(nodes: Site) -> None:
    nodes.inventory.write_text(nodes.inventory.read_text().replace("pools=p1", "pools=p1 sim_process=true"))
    served = nodes.served()
    for fault in (
        Fault(on="zfs rename", match="n-02", effect="die_after"),
        Fault(on="zfs rename", match="n-02", effect="die_after", times=0),
        Fault(on="zfs clone", match="n-02", effect="die_after", times=0),
    ):
        nodes.head.set_faults(Faults(faults=(fault,)))
        nodes.play("refresh-nodes.yml", REFRESH, code=2)
    nodes.head.set_faults(Faults())

    nodes.play("refresh-nodes.yml", REFRESH)

    assert nodes.served() == served
    assert nodes.origins() == dict.fromkeys(NODES, f"{GOLDEN}@2") | {
        f"{node}.before-2": f"{GOLDEN}@1" for node in NODES
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": f"{GOLDEN}@9"}, "there is no such image"),
        ({"racks": {"r1": "n-01", "r2": "nosuch"}}, "nosuch has no disk"),
        ({"racks": {"r1": "n-01,n-01"}}, "twice"),
        ({"where": "p1/nosuch"}, "p1/nosuch does not exist"),
    ],
)
def test_what_cannot_be_refreshed_is_told_and_left(nodes: Site, given: Mapping[str, Any], said: str) -> None:
    value = nodes.play("refresh-nodes.yml", {**REFRESH, **given}, code=8 if said == "twice" else 2)

    assert said in (value if isinstance(value, str) else errors(value))
    assert "nosuch" in said or len(nodes.origins()) == len(NODES)


def test_an_old_name_that_is_taken_is_not_taken_away(nodes: Site) -> None:
    nodes.head.run(["zfs", "clone", f"{GOLDEN}@1", "p1/nodes/n-02.before-2"])
    before = nodes.state()

    value = nodes.play("refresh-nodes.yml", REFRESH, code=2)

    assert "p1/nodes/n-02.before-2 is in the way" in errors(value)
    assert nodes.state() == before


@pytest.mark.parametrize(("answer", "refreshed"), [("n", NODES[:2]), ("", NODES)])
def test_it_is_asked_before_the_next_rack_and_can_be_ended_there(
    nodes: Site, answer: str, refreshed: tuple[str, ...]
) -> None:
    variables = json.dumps({**REFRESH, "confirm": True, "forget": True})
    words = ["run", "refresh-nodes.yml", "-i", str(nodes.inventory), "-e", variables]
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lunops", *words], stdin=its, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.write(ours, f"{answer}\n".encode())
    _out, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(its)

    assert process.returncode == 0, err
    assert "The rack r1 is done" in err
    left = {node for node, origin in nodes.origins().items() if origin == f"{GOLDEN}@2"}
    assert left == set(refreshed)
    assert ("n-01.before-2" in nodes.origins()) == (answer == "n")  # what was ended is not forgotten


def test_racks_of_several_heads_are_done_in_their_order_and_stop_together(nodes: Site) -> None:
    nodes.play("provision-nodes.yml", {**COMMON, "image": "p2/images/golden@1", "nodes": "m"})
    nodes.other.run(["zfs", "snapshot", "p2/images/golden@2"])
    there = {"nodes": "m", "where": "p2/nodes", "image": "p2/images/golden@2"}
    nodes.head.set_faults(Faults(faults=(Fault(on="zfs clone", match="n-03", stderr="out of space"),)))

    value = nodes.play("refresh-nodes.yml", {**REFRESH, "racks": {"a": "n-01", "b": "n-03", "c": there}}, code=2)
    nodes.head.set_faults(Faults())
    origin = nodes.other.run(["zfs", "get", "-Hp", "-o", "value", "origin", "p2/nodes/m"])
    nodes.play("refresh-nodes.yml", {**REFRESH, "racks": {"c": there, "b": "n-03"}})
    later = nodes.other.run(["zfs", "get", "-Hp", "-o", "value", "origin", "p2/nodes/m"])

    assert {task["head"] for task in value["tasks"] if task["status"] == "failed"} == {"h1", "h2"}
    assert origin.out.strip() == "p2/images/golden@1"
    assert later.out.strip() == "p2/images/golden@2"
    assert nodes.origins()["n-03"] == f"{GOLDEN}@2"


# -- images, sizes, heads -------------------------------------------------------------------------------------


def test_an_image_is_snapshotted_at_one_instant_and_held(site: Site) -> None:
    site.head.run(["zfs", "create", "-s", "-V", "64M", "p1/images/data"])
    wanted = {"images": f"{GOLDEN},p1/images/data", "name": "2", "hold": "release"}

    checked, done = tried(site, "snapshot-image.yml", wanted)

    assert "would hold p1/images/data@2 with the tag release" in json.dumps(checked)
    assert changed(done) == {"Take the snapshots", "Let nobody destroy them"}
    assert site.value(f"{GOLDEN}@2", "createtxg") == site.value("p1/images/data@2", "createtxg")
    holds = site.head.run(["zfs", "holds", "-H", f"{GOLDEN}@2", "p1/images/data@2"]).out.splitlines()
    assert [line.split("\t")[1] for line in holds] == ["release", "release"]


def test_the_name_of_an_older_image_is_refused(site: Site) -> None:
    site.play("snapshot-image.yml", {"images": [GOLDEN], "name": 2})
    site.head.write_data(GOLDEN, 1 << 20)
    before = site.state()

    for more in (("--check",), ()):
        value = site.play("snapshot-image.yml", {"images": [GOLDEN], "name": 2}, *more, code=2)
        assert re.search(rf"{GOLDEN}@2 is there already, and \d+ bytes were written since", errors(value))

    assert site.state() == before


def test_disks_are_made_bigger_and_never_smaller(nodes: Site) -> None:
    nodes.head.log_in(f"{PREFIX}n-02", f"{PREFIX}init.n-02")
    wanted = {"nodes": "n-[01:02]", "where": "p1/nodes", "size": "128M"}

    _checked, done = tried(nodes, "resize-nodes.yml", wanted)
    smaller = nodes.play("resize-nodes.yml", {**wanted, "size": "32M"}, code=2)

    told = [task for task in done["tasks"] if task["name"] == "Say who has to rescan" and task["head"] == "h1"]
    assert [f"{PREFIX}init.n-02 from" in json.dumps(item) for task in told for item in task["items"]] == [True]
    assert "would be lost" in errors(smaller)
    assert [nodes.value(f"p1/nodes/{node}", "volsize") for node in ("n-01", "n-02", "n-03")] == [
        str(128 << 20),
        str(128 << 20),
        str(64 << 20),
    ]


def test_heads_are_reconciled_after_the_difference_was_shown(nodes: Site) -> None:
    tpg = f"/sys/kernel/config/target/iscsi/{PREFIX}n-03/tpgt_1"
    nodes.head.write(f"{tpg}/enable", "0")

    shown, done = tried(nodes, "reconcile-heads.yml", {})

    assert f"{PREFIX}n-03: changed (kernel)" in json.dumps(shown)
    assert changed(done) == {"Mend it"}
    assert nodes.head.read(f"{tpg}/enable").strip() == "1"
    assert nodes.drift() == [[], []]


def test_what_was_put_aside_is_not_reconciled_away(nodes: Site) -> None:
    nodes.play("refresh-nodes.yml", REFRESH)
    before = nodes.state()

    nodes.play("reconcile-heads.yml", {"force": ["written"]})

    assert nodes.state() == before


def test_an_image_is_brought_to_the_other_head(site: Site) -> None:
    _checked, done = tried(site, "replicate-image.yml", {"image": f"{GOLDEN}@1", "name": "images/copy"})

    assert statuses(done, "zfs_send")["p2/images/copy"] == "changed"
    assert site.other.run(["zfs", "list", "-Hp", "p2/images/copy@1"]).code == 0


def test_heads_are_prepared_and_examined(site: Site) -> None:
    tried(site, "prepare-heads.yml", {})

    value = site.play("doctor-heads.yml", {})

    assert {task["status"] for task in value["tasks"]} == {"ok"}


def test_a_batch_is_made_and_taken_away_in_the_shape_of_the_rest_interface(site: Site) -> None:
    clone = {"src": f"{GOLDEN}@1", "dst": "p1/nodes/b", "wwn": f"{PREFIX}b", "initiators": [f"{PREFIX}init.b"]}
    batch = {"clones": [{**clone, "createParent": True}], "deleteClones": True}

    tried(site, "create-batch.yml", batch)
    made = set(site.served())
    tried(site, "delete-batch.yml", batch)

    assert made == {"b"}
    assert (site.origins(), site.served()) == ({}, {})
