"""Properties, guards and holders of the agent: the pure parts, and heads in odd states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lunops.agent import guards, holders, properties
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.registry import load
from lunops.agent.system import Output
from lunops.agent.work import Item, Work
from lunops.agent.zfs import Found
from lunops.sim.head import SimulatedSystem


@pytest.mark.parametrize(
    ("wanted", "value", "is_same"),
    [
        ("lz4", "lz4", True),
        ("10G", "10737418240", True),
        ("10g", "10737418240", True),
        ("10GB", "10737418240", True),
        ("1.5K", "1536", True),
        ("1.3M", "1363148", True),
        ("10737418240", "10737418240", True),
        ("none", "0", True),
        ("none", str(2**64 - 1), True),
        ("none", "1", False),
        ("0", "none", False),
        ("10G", "10737418241", False),
        ("10GiB", "10737418240", False),  # OpenZFS 2.1 does not take it: let it say so
        ("auto", "10485760", False),
        ("on", "off", False),
        ("\uff11", "1", False),
        ("", "0", False),
        ("1" * 5000 + "G", "1", False),
    ],
)
def test_a_value_is_the_same_if_zfs_reads_it_back_in_another_form(wanted: str, value: str, is_same: bool) -> None:
    assert properties.same(wanted, value) is is_same


def test_only_values_of_the_datasets_own_are_to_be_inherited() -> None:
    found = Found("p/x")
    found.properties = {
        "a:b": ("1", "local"),
        "c:d": ("1", "received"),
        "e:f": ("1", "inherited from p"),
        "copies": ("1", "default"),
    }

    assert properties.to_inherit(["copies", "e:f", "c:d", "a:b", "g:h"], found) == ["a:b", "c:d"]


def test_the_commands_that_restore_keep_received_values_received_and_write_no_quota_as_none() -> None:
    changed = {
        "quota": ["0", "local", "5"],
        "compression": ["lz4", "received", "off"],
        "copies": ["1", "default", "2"],
        "a:b": ["x", "local", "y"],
    }

    assert properties.by_hand(["set", "p/x", changed]) == (
        "zfs inherit -S compression p/x && zfs inherit copies p/x && zfs set a:b=x quota=none p/x"
    )


# -- few commands -----------------------------------------------------------------------------------------------------


class Counting(SimulatedSystem):
    """A simulated head that notes the commands that it is given."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, pools=["p"])
        self.commands: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], timeout_s: float = 300.0) -> Output:
        self.commands.append(tuple(argv[:2]))
        return super().run(argv, timeout_s)


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Counting]:
    system = Counting(tmp_path / "head")
    yield system
    system.close()


def do(system: SimulatedSystem, module: str, *args: dict[str, Any]) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    work = Work(system, lambda item, outcome, _seconds: outcomes.__setitem__(item.key, outcome))
    load(module)(work, [Item(each.get("dataset") or each["snapshot"], each) for each in args])
    return outcomes


def volume(name: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "size": 1 << 20,
        "sparse": True,
        "block_size": None,
        "properties": {},
        "create_parent": True,
        "marks": {},
    }
    return {**base, "dataset": name, **more}


def test_many_datasets_cost_few_commands(head: Counting) -> None:
    names = [f"p/v{number:02}" for number in range(40)]
    do(head, "zfs_volume", *(volume(name, marks={"lunops:managed": "1"}) for name in names))
    made = list(head.commands)
    head.commands.clear()
    changed = do(
        head, "zfs_set", *({"dataset": name, "properties": {"compression": "lz4"}, "inherit": []} for name in names)
    )
    set_ = list(head.commands)
    head.commands.clear()
    do(head, "zfs_destroy", *({"dataset": name} for name in names))

    assert made.count(("zfs", "get")) == 1
    assert set_ == [("zfs", "get"), ("zfs", "set"), ("zfs", "get")]
    assert {outcome.status for outcome in changed.values()} == {"changed"}
    assert changed["p/v07"].changes == ["zfs set compression=lz4 p/v07"]
    assert changed["p/v07"].made == [["set", "p/v07", {"compression": ["off", "default", "lz4"]}]]
    assert [head.commands.count(("zfs", word)) for word in ("get", "list", "destroy")] == [1, 1, 40]


def test_what_others_are_to_live_in_is_made_first_whatever_the_order(head: Counting) -> None:
    inner, outer = ({"dataset": name, "create_parent": False, "properties": {}, "marks": {"lunops:managed": "1"}}
                    for name in ("p/a/b", "p/a"))  # fmt: skip
    told: dict[str, Outcome] = {}
    work = Work(head, lambda item, outcome, _seconds: told.__setitem__(item.key, outcome), check=True)
    load("zfs_filesystem")(work, [Item("p/a/b", inner), Item("p/a", outer)])

    made = do(head, "zfs_filesystem", inner, outer)

    assert {key: outcome.changes for key, outcome in made.items()} == {
        "p/a": ["zfs create p/a"],
        "p/a/b": ["zfs create p/a/b"],
    }
    assert {key: outcome.changes for key, outcome in told.items()} == {
        key: outcome.changes for key, outcome in made.items()
    }


def test_an_item_that_may_make_its_parent_does_not_fail_beside_one_that_may_not(head: Counting) -> None:
    made = do(
        head, "zfs_volume", volume("p/a/x", create_parent=False), volume("p/a/y"), volume("p/no/z", create_parent=False)
    )

    assert made["p/a/y"].status == "changed"
    assert "the parent p/no does not exist" in made["p/no/z"].error


# -- holders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def device(head: Counting) -> str:
    """Make the volume p/v with a partition; return the name of its device."""
    head.run(["zfs", "create", "-s", "-V", "64M", "p/v"])
    name = head.resolve("/dev/zvol/p/v").rsplit("/", 1)[-1]
    put(head, f"/sys/devices/virtual/block/{name}/{name}p1/holders")
    return name


def put(head: Counting, path: str, text: str | None = None) -> None:
    with head._state.changing():  # the kernel's files that no test of ours could write
        above = ""
        for part in path.strip("/").split("/")[: None if text is None else -1]:
            above += f"/{part}"
            if head._tree.kind(above) is None:
                head._files.put(above, "dir")
        if text is not None:
            head._files.put(path, "file", text)


def test_nobody_holds_a_volume_that_is_only_there(head: Counting, device: str) -> None:
    assert holders.device_paths(head, "p/v") == [f"/dev/{device}", f"/dev/{device}p1"]
    assert holders.held(head, "p/v") == []
    assert "cannot be seen from here" in holders.of(head, "p/v")
    assert guards.uses(head, "p/v", [guards.HOLDERS, guards.SESSIONS, guards.EXPORTED, guards.CHILDREN]) == []


@pytest.mark.parametrize(
    ("holder", "name", "uuid", "said"),
    [
        ("dm-3", "vg-data", "LVM-abc", "held by the LVM volume vg-data (dm-3)"),
        ("dm-3", "mpatha", "mpath-36001", "held by the multipath map mpatha (dm-3)"),
        ("dm-3", "mpatha-part1", "part1-mpath-36001", "held by the multipath map mpatha-part1 (dm-3)"),
        ("dm-3", "secret", "CRYPT-LUKS2-1", "held by the encrypted device secret (dm-3)"),
        ("dm-3", "odd", "", "held by the device-mapper device odd (dm-3)"),
        ("md127", "", "", "part of the RAID md127"),
        ("bcache0", "", "", "held by the device bcache0"),
    ],
)
def test_what_holds_a_partition_is_named_by_its_kind(
    head: Counting, device: str, holder: str, name: str, uuid: str, said: str
) -> None:
    put(head, f"/sys/devices/virtual/block/{device}/{device}p1/holders/{holder}")
    put(head, f"/sys/block/{holder}/dm/name", name + "\n")
    put(head, f"/sys/block/{holder}/dm/uuid", uuid + "\n")

    assert holders.held(head, "p/v") == [said]


def test_mounts_swap_and_loop_devices_are_seen_by_whichever_path_they_name(head: Counting, device: str) -> None:
    put(
        head,
        "/proc/mounts",
        f"/dev/{device}p1 /mnt/a\\040b ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/zvol/p/v /x xfs rw\n",
    )
    put(head, "/proc/swaps", f"Filename Type Size\n/dev/{device}   partition 1 0 -2\n/swapfile file 1 0 -3\n")
    put(head, "/sys/block/loop0/loop/backing_file", "/dev/other\n")
    put(head, "/sys/block/loop1/loop/backing_file", f"/dev/{device}\n")
    put(head, "/sys/block/loop2", None)

    assert holders.held(head, "p/v") == [
        "mounted at /mnt/a b",
        "mounted at /x",
        f"used as swap (/dev/{device})",
        "held by the loop device loop1",
    ]


def test_a_volume_whose_link_is_lost_is_found_by_asking_the_devices(head: Counting, device: str) -> None:
    head.unlink("/dev/zvol/p/v")
    put(head, "/proc/mounts", f"/dev/{device} /mnt/x ext4 rw 0 0\n")

    assert holders.held(head, "p/v") == ["mounted at /mnt/x"]
    assert holders.held(head, "p/none") == []


def test_a_process_that_has_the_volume_open_is_named_for_the_message(head: Counting) -> None:
    head.run(["zfs", "create", "-s", "-V", "64M", "p/v"])

    with head.holding("p/v", "open", "dd if=/dev/zero"):
        assert holders.held(head, "p/v") == []  # udev's blkid has it open now and then: no reason to refuse
        assert holders.of(head, "p/v") == "it is open in pid 4242 (dd if=/dev/zero)"


def test_a_refusal_names_every_use_and_only_what_can_be_forced() -> None:
    found = [guards.Use(guards.CHILDREN, "it has p/x/y", "destroy that first"), guards.unmarked("p/x")]

    with pytest.raises(ItemError) as error:
        guards.refuse(found, [guards.SESSIONS], "destroy p/x", [guards.UNMARKED])

    assert error.value.what.startswith("will not destroy p/x: it has p/x/y; p/x was not made by lunops")
    assert error.value.fix.endswith("or force: [unmarked]")
    guards.refuse(found, [guards.CHILDREN, guards.UNMARKED], "destroy p/x")


def test_guards_tell_clones_children_snapshots_and_whose_it_is(head: Counting) -> None:
    for argv in (
        ["zfs", "create", "p/f"],
        ["zfs", "create", "-s", "-V", "1M", "p/f/v"],
        ["zfs", "snapshot", "p/f/v@s"],
        ["zfs", "clone", "p/f/v@s", "p/c"],
    ):
        head.run(argv)

    assert [use.who for use in guards.uses(head, "p/f", [guards.CHILDREN, guards.CLONES])] == ["it has p/f/v"]
    found = guards.uses(head, "p/f/v", [guards.SNAPSHOTS, guards.CLONES, guards.UNMARKED])
    assert [use.kind for use in found] == ["snapshots", "clones", "unmarked"]
    assert found[1].who == "p/c is a clone of p/f/v@s"
