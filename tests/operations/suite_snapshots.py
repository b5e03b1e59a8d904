"""What every head must do with snapshots, and with what datasets are called and come from."""

from __future__ import annotations

import json
from typing import Any

from lunops.model import ItemResult, Status, TaskResult
from tests.operations.bench import Bench

OK, CHANGED, FAILED = Status.OK, Status.CHANGED, Status.FAILED


class SnapshotsSuite:
    """Inherit it, and give it a fixture `bench`."""

    # -- snapshot ---------------------------------------------------------------------------------------------

    def test_one_instant_of_many_datasets_is_one_snapshot_of_each_or_of_none(self, bench: Bench) -> None:
        a, b, c = volumes(bench, "a", "b", "c")
        before = bench.datasets()
        wanted: list[dict[str, Any]] = [
            {"datasets": [a, b], "name": "t", "properties": {"org.example:why": "it's; $(new)"}},
            {"datasets": [c], "name": "_t"},
        ]

        checked = bench.do("zfs_snapshot", *wanted, check=True)
        unchanged = bench.datasets()
        done = bench.do("zfs_snapshot", *wanted, run="r1")
        there = bench.datasets()
        again = bench.do("zfs_snapshot", *wanted, run="r2")

        assert statuses(checked) == statuses(done) == [CHANGED, CHANGED]
        assert unchanged == before
        assert checked.items[0].changes == done.items[0].changes
        assert set(there) - set(before) == {f"{a}@t", f"{b}@t", f"{c}@_t"}
        assert bench.property(f"{a}@t", "createtxg") == bench.property(f"{b}@t", "createtxg")
        assert bench.property(f"{a}@t", "lunops:managed") == ("1", "local")
        assert bench.property(f"{a}@t", "lunops:made") == ("r1", "local")
        assert bench.property(f"{a}@t", "org.example:why") == ("it's; $(new)", "local")
        assert statuses(again) == [OK, OK]
        assert [(each["name"], each["managed"], each["made"]) for each in again.items[0].data] == [
            (f"{a}@t", True, "r1"),
            (f"{b}@t", True, "r1"),
        ]
        assert again.items[0].data == done.items[0].data
        assert [item.status for item in bench.undo(done)] == [CHANGED, CHANGED]
        assert bench.datasets() == before
        assert [item.status for item in bench.undo(done)] == [OK, OK]

    def test_what_is_there_and_is_not_of_one_instant_is_never_added_to(self, bench: Bench) -> None:
        a, b, c = volumes(bench, "a", "b", "c")
        for name in (f"{a}@half", f"{a}@two", f"{b}@two"):
            shell(bench, "snapshot", name)
        before = bench.datasets()

        done = bench.do(
            "zfs_snapshot",
            {"datasets": [b, a], "name": "half"},
            {"datasets": [a, b], "name": "two"},
            {"datasets": [c, f"{bench.folder}/nope"], "name": "lost"},
            {"datasets": [a], "name": "half"},
            run="r1",
        )

        half, two, lost, foreign = done.items
        assert "is there and" in half.error
        assert f"{b}@half is not" in half.error
        assert "not taken at one instant" in two.error
        assert f"{a}@two (createtxg " in two.error
        assert f"{bench.folder}/nope is not there" in lost.error
        assert foreign.status is OK
        assert foreign.data[0]["managed"] is False
        assert bench.datasets() == before
        assert {item.status for item in bench.undo(done)} == {OK}

    def test_undo_destroys_no_snapshot_that_is_used_or_is_another(self, bench: Bench) -> None:
        names = volumes(bench, "held", "cloned", "retaken", "marked")
        held, cloned, retaken, marked = (f"{name}@t" for name in names)
        done = bench.do("zfs_snapshot", *({"datasets": [name], "name": "t"} for name in names), run="r1")
        shell(bench, "hold", "mine", held)
        shell(bench, "clone", cloned, f"{bench.folder}/clone")
        shell(bench, "destroy", retaken)
        shell(bench, "snapshot", "-o", "lunops:managed=1", "-o", "lunops:made=r1", retaken)
        shell(bench, "set", "lunops:made=r2", marked)
        before = bench.datasets()

        undone = {item.key: item for item in bench.undo(done)}

        assert "is held: mine" in undone[held].error
        assert f"has the clones {bench.folder}/clone" in undone[cloned].error
        assert "is another snapshot by now" in undone[retaken].error
        assert "does not carry this run's mark" in undone[marked].error
        assert {item.left_behind for item in undone.values()} == {
            (f"zfs destroy {name}",) for name in (held, cloned, retaken, marked)
        }
        assert bench.datasets() == before
        shell(bench, "release", "mine", held)

    # -- hold and release -------------------------------------------------------------------------------------

    def test_holding_keeps_snapshots_until_they_are_released(self, bench: Bench) -> None:
        a, b = (f"{name}@1" for name in volumes(bench, "a", "b"))
        shell(bench, "snapshot", a, b)
        wanted = [{"snapshot": a, "tag": "keep"}, {"snapshot": b, "tag": "keep"}]
        shell(bench, "hold", "other", b)

        checked = bench.do("zfs_hold", *wanted, check=True)
        none = holds(bench, a)
        held = bench.do("zfs_hold", *wanted)
        again = bench.do("zfs_hold", *wanted)
        destroyed = bench.eyes.run(["zfs", "destroy", a])[0]
        bench.undo(held)
        after_undo = (holds(bench, a), holds(bench, b))
        bench.do("zfs_hold", *wanted)
        released = bench.do("zfs_release", *wanted)
        released_again = bench.do("zfs_release", *wanted)
        after_release = (holds(bench, a), holds(bench, b))
        undone = bench.undo(released)

        assert statuses(checked) == statuses(held) == statuses(released) == [CHANGED, CHANGED]
        assert checked.items[0].changes == held.items[0].changes == (f"zfs hold keep {a}",)
        assert none == set()
        assert statuses(again) == statuses(released_again) == [OK, OK]
        assert destroyed != 0
        assert after_undo == after_release == (set(), {"other"})
        assert [item.status for item in undone] == [CHANGED, CHANGED]
        assert (holds(bench, a), holds(bench, b)) == ({"keep"}, {"keep", "other"})
        shell(bench, "release", "keep", a, b)
        shell(bench, "release", "other", b)

    def test_a_snapshot_that_is_gone_cannot_be_held_but_counts_as_released(self, bench: Bench) -> None:
        (a,) = (f"{name}@1" for name in volumes(bench, "a"))
        shell(bench, "snapshot", a)
        lost = f"{bench.folder}/nope@1"
        wanted = [{"snapshot": lost, "tag": "keep"}, {"snapshot": a, "tag": "keep"}]

        held = bench.do("zfs_hold", *wanted)
        released = bench.do("zfs_release", *wanted)
        shell(bench, "destroy", a)
        undone = {item.key: item for item in bench.undo(released)}

        assert statuses(held) == [FAILED, CHANGED]
        assert f"the snapshot {lost} does not exist" in held.items[0].error
        assert statuses(released) == [OK, CHANGED]
        assert "is gone, so it cannot be held again" in undone[a].error
        assert undone[a].left_behind == (f"zfs hold keep {a}",)

    def test_the_last_hold_of_a_snapshot_that_would_go_with_it_is_kept(self, bench: Bench) -> None:
        (a,) = (f"{name}@1" for name in volumes(bench, "a"))
        shell(bench, "snapshot", a)
        held = bench.do("zfs_hold", {"snapshot": a, "tag": "keep"})
        shell(bench, "destroy", "-d", a)

        released = only(bench.do("zfs_release", {"snapshot": a, "tag": "keep"}))
        (undone,) = bench.undo(held)

        assert "is to be destroyed with its last hold" in released.error
        assert "is to be destroyed with its last hold" in undone.error
        assert a in bench.datasets()
        shell(bench, "release", "keep", a)
        assert a not in bench.datasets()

    # -- rollback ---------------------------------------------------------------------------------------------

    def test_rolling_back_says_what_is_lost_and_is_done_once(self, bench: Bench) -> None:
        a, b = volumes(bench, "a", "b")
        bench.eyes.write_data(a, 65536)
        shell(bench, "snapshot", f"{a}@1", f"{b}@1")
        content = int(bench.property(a, "referenced")[0])
        shell(bench, "set", "volsize=16M", a)
        bench.eyes.write_data(a, 65536)
        wanted = [{"snapshot": f"{a}@1"}, {"snapshot": f"{b}@1"}]
        written = int(bench.property(a, "written")[0])

        checked = bench.do("zfs_rollback", *wanted, check=True)
        kept = int(bench.property(a, "written")[0])
        done = bench.do("zfs_rollback", *wanted)
        again = bench.do("zfs_rollback", *wanted)
        rolled_back = (int(bench.property(a, "referenced")[0]), bench.property(a, "volsize")[0])
        bench.eyes.write_data(a, 512)
        third = bench.do("zfs_rollback", *wanted)
        undone = {item.key: item for item in bench.undo(done)}[f"{a}@1"]

        assert statuses(checked) == statuses(done) == [CHANGED, OK]
        assert checked.items[0].changes == done.items[0].changes
        assert kept == written >= 65536
        assert done.items[0].changes == (
            f"zfs rollback {a}@1",
            f"lost: {written} bytes written since then",
            "its size goes from 16777216 to 8388608 bytes",
        )
        assert statuses(again) == [OK, OK]
        assert rolled_back == (content, "8388608")
        assert statuses(third) == [CHANGED, OK]
        assert "cannot be taken back" in undone.error
        assert "cannot be taken back" in undone.left_behind[0]

    def test_newer_snapshots_go_only_if_that_is_forced_and_nothing_needs_them(self, bench: Bench) -> None:
        plain, cloned, held = volumes(bench, "plain", "cloned", "held")
        for tag in ("1", "2", "3"):
            shell(bench, "snapshot", *(f"{name}@{tag}" for name in (plain, cloned, held)))
        shell(bench, "clone", f"{cloned}@3", f"{bench.folder}/clone")
        shell(bench, "hold", "mine", f"{held}@2")
        before = bench.datasets()
        wanted = [{"snapshot": f"{name}@1"} for name in (plain, cloned, held)]

        refused = bench.do("zfs_rollback", *wanted)
        kept = bench.datasets()
        forced = bench.do("zfs_rollback", *({**each, "force": ["snapshots"]} for each in wanted))

        assert f"it has the newer {plain}@2; it has the newer {plain}@3" in refused.items[0].error
        assert "force: [snapshots]" in refused.items[0].fix
        assert kept == before
        assert statuses(refused) == [FAILED] * 3
        assert statuses(forced) == [CHANGED, FAILED, FAILED]
        assert forced.items[0].changes[0] == f"zfs rollback -r {plain}@1"
        assert f"lost: {plain}@2" in forced.items[0].changes
        assert f"{cloned}@3 has the clones {bench.folder}/clone" in forced.items[1].error
        assert f"{held}@2 is held" in forced.items[2].error
        assert set(before) - set(bench.datasets()) == {f"{plain}@2", f"{plain}@3"}
        shell(bench, "release", "mine", f"{held}@2")

    def test_a_disk_in_use_and_anothers_dataset_are_not_rolled_back(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        (foreign,) = volumes(bench, "foreign", marks=())
        for name in (lun.dst, foreign):
            shell(bench, "snapshot", f"{name}@1")
            bench.eyes.write_data(name, 8192)
        mine = {"snapshot": f"{lun.dst}@1"}

        with bench.eyes.log_in(lun.wwn, lun.initiators[0]):
            used, unmarked = bench.do("zfs_rollback", mine, {"snapshot": f"{foreign}@1"}).items
            half = only(bench.do("zfs_rollback", {**mine, "force": ["sessions"]}))
        lost = only(bench.do("zfs_rollback", {"snapshot": f"{foreign}@none"}))
        written = bench.property(lun.dst, "written")[0]
        both = bench.do(
            "zfs_rollback",
            {**mine, "force": ["exported", "holders"]},
            {"snapshot": f"{foreign}@1", "force": ["unmarked"]},
        )

        assert f"{lun.initiators[0]}" in used.error
        assert f"{lun.wwn}" in used.error
        assert f"/{lun.storage_object}" in used.error
        assert "force: [sessions, exported" in used.fix
        assert "is exported by" in half.error
        assert "logged in" not in half.error
        assert "was not made by lunops" in unmarked.error
        assert f"the snapshot {foreign}@none does not exist" in lost.error
        assert int(written) >= 8192
        assert statuses(both) == [CHANGED, CHANGED]
        assert bench.is_served(lun)

    # -- promote ----------------------------------------------------------------------------------------------

    def test_promoting_moves_the_snapshots_up_to_the_origin_and_back(self, bench: Bench) -> None:
        (image,) = volumes(bench, "image")
        for tag in ("1", "2", "3"):
            shell(bench, "snapshot", f"{image}@{tag}")
        one, two, three = (f"{bench.folder}/{name}" for name in ("one", "two", "three"))
        for origin, clone in (("1", one), ("2", two), ("3", three)):
            shell(bench, "clone", f"{image}@{origin}", clone)
        shell(bench, "set", "lunops:managed=1", f"{image}@1")
        shell(bench, "hold", "mine", f"{image}@1")
        before = bench.datasets()

        checked = bench.do("zfs_promote", {"dataset": two}, check=True)
        unchanged = bench.datasets()
        done = bench.do("zfs_promote", {"dataset": two})
        after = bench.datasets()
        again = bench.do("zfs_promote", {"dataset": two})
        marked = bench.property(f"{two}@1", "lunops:managed")
        held = holds(bench, f"{two}@1")
        undone = bench.undo(done)

        assert statuses(checked) == statuses(done) == [CHANGED]
        assert only(checked).changes == only(done).changes
        assert only(done).changes == (
            f"zfs promote {two}",
            f"snapshots that move to it: {image}@1, {image}@2",
            f"{image} becomes a clone of {two}@2",
            f"clones whose origin moves: {one}",
        )
        assert unchanged == before
        assert after == {
            bench.folder: "-",
            image: f"{two}@2",
            f"{image}@3": "-",
            one: f"{two}@1",
            two: "-",
            f"{two}@1": "-",
            f"{two}@2": "-",
            three: f"{image}@3",
        }
        assert statuses(again) == [OK]
        assert marked == ("1", "local")
        assert held == {"mine"}
        assert [item.status for item in undone] == [CHANGED]
        assert bench.datasets() == before
        assert [item.status for item in bench.undo(done)] == [OK]
        shell(bench, "release", "mine", f"{image}@1")

    def test_clones_of_one_image_are_promoted_one_after_the_other(self, bench: Bench) -> None:
        (image,) = volumes(bench, "image")
        shell(bench, "snapshot", f"{image}@1")
        shell(bench, "snapshot", f"{image}@2")
        one, two, clash = (f"{bench.folder}/{name}" for name in ("one", "two", "clash"))
        for clone in (one, two, clash):
            shell(bench, "clone", f"{image}@2", clone)
        shell(bench, "snapshot", f"{clash}@1")
        before = bench.datasets()

        done = bench.do(
            "zfs_promote",
            *({"dataset": name} for name in (clash, one, two, image, f"{bench.folder}/nope")),
        )
        after = bench.datasets()
        undone = bench.undo(done)

        clashed, first, second, third, lost = done.items
        assert f"snapshots of the same names as those that would move to it: {image}@1" in clashed.error
        assert [first.status, second.status, third.status] == [CHANGED, CHANGED, CHANGED]
        assert "does not exist" in lost.error
        assert (after[one], after[two], after[image]) == (f"{image}@2", f"{image}@2", "-")
        assert {item.key for item in undone if item.status is CHANGED} == {one, two, image}
        assert bench.datasets() == before

    def test_a_clone_of_a_clone_is_promoted_only_as_far_as_is_said(self, bench: Bench) -> None:
        (image,) = volumes(bench, "image")
        shell(bench, "snapshot", f"{image}@1")
        node, copy = f"{bench.folder}/node", f"{bench.folder}/copy"
        shell(bench, "clone", f"{image}@1", node)
        shell(bench, "snapshot", f"{node}@2")
        shell(bench, "clone", f"{node}@2", copy)
        before = bench.datasets()

        refused = only(bench.do("zfs_promote", {"dataset": copy}))
        unchanged = bench.datasets()
        done = bench.do("zfs_promote", {"dataset": copy, "in_place_of": node})
        after = bench.datasets()
        again = only(bench.do("zfs_promote", {"dataset": copy, "in_place_of": node}))
        bench.undo(done)

        assert f"which is itself a clone of {image}@1" in refused.error
        assert refused.fix == f"say how far: in_place_of: {node}"
        assert unchanged == before
        assert f"{copy} becomes a clone of {image}@1" in only(done).changes
        assert (after[copy], after[node], after[image]) == (f"{image}@1", f"{copy}@2", "-")
        assert again.status is OK
        assert bench.datasets() == before

    # -- rename -----------------------------------------------------------------------------------------------

    def test_renaming_takes_device_marks_and_record_along_and_back(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        bench.delete([lun], destroy=False)
        before, record = bench.datasets(), bench.record(lun)
        new = f"{bench.folder}/deep/er/renamed"
        wanted = {"src": lun.dst, "dst": new, "create_parent": True}

        refused = only(bench.do("zfs_rename", {"src": lun.dst, "dst": new}))
        checked = bench.do("zfs_rename", wanted, check=True)
        unchanged = bench.datasets()
        done = bench.do("zfs_rename", wanted, run="r1")
        device = only(bench.do("wait_for_device", {"dataset": new}))
        after, moved = bench.datasets(), bench.record(lun)
        again = bench.do("zfs_rename", wanted, run="r2")
        undone = bench.undo(done)

        assert f"the parent {bench.folder}/deep does not exist" in refused.error
        assert statuses(checked) == statuses(done) == [CHANGED]
        assert only(checked).changes == only(done).changes
        assert unchanged == before
        assert after[new] == before[lun.dst]
        assert lun.dst not in after
        assert not device.error, device
        assert not bench.eyes.exists(f"/dev/zvol/{new}")
        assert record is not None
        assert moved == json.loads(json.dumps(record).replace(lun.dst, new))
        assert statuses(again) == [OK]
        assert [item.status for item in undone] == [CHANGED]
        assert bench.datasets() == before
        assert bench.record(lun) == record
        assert bench.property(lun.dst, "lunops:lun") == (lun.wwn, "local")

    def test_what_is_put_aside_is_no_luns_volume_until_it_has_its_name_again(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        bench.delete([lun], destroy=False)
        kept = f"{lun.dst}.before-2"
        record = bench.record(lun)
        wanted = {"src": lun.dst, "dst": kept, "aside": True}

        checked = bench.do("zfs_rename", wanted, check=True)
        done = bench.do("zfs_rename", wanted)
        again = bench.do("zfs_rename", wanted)
        after = (bench.record(lun), bench.property(kept, "lunops:aside"))
        bench.create([lun])
        drift = only(bench.do("drift", {})).data
        bench.delete([lun])
        back = bench.do("zfs_rename", {"src": kept, "dst": lun.dst})
        mark = bench.property(lun.dst, "lunops:aside")
        undone = bench.undo(done, back)

        assert only(checked).changes == only(done).changes
        assert statuses(again) == [OK]
        assert after == (record, ("1", "local"))
        assert [each for each in drift if each["wwn"] == lun.wwn] == []
        assert f"zfs inherit lunops:aside {lun.dst}" in only(back).changes
        assert mark == ("-", "-")
        assert [item.status for item in undone] == [CHANGED, CHANGED]
        assert list(bench.datasets()) == [bench.folder, lun.dst]
        assert bench.property(lun.dst, "lunops:aside") == ("-", "-")

    def test_names_are_handed_on_in_the_order_of_the_items(self, bench: Bench) -> None:
        a, b = volumes(bench, "a", "b")
        c = f"{bench.folder}/c"
        guids = {name: bench.property(name, "guid")[0] for name in (a, b)}
        wanted = [{"src": b, "dst": c}, {"src": a, "dst": b}]

        checked = bench.do("zfs_rename", *wanted, check=True)
        done = bench.do("zfs_rename", *wanted)
        renamed = {name: bench.property(name, "guid")[0] for name in (b, c)}
        undone = bench.undo(done)

        assert statuses(checked) == statuses(done) == [CHANGED, CHANGED]
        assert renamed == {c: guids[b], b: guids[a]}
        assert [item.status for item in undone] == [CHANGED, CHANGED]
        assert {name: bench.property(name, "guid")[0] for name in (a, b)} == guids

    def test_what_is_exported_or_anothers_or_in_the_way_is_not_renamed(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        foreign, other = volumes(bench, "foreign", "other", marks=())
        new = f"{bench.folder}/new"
        before = bench.datasets()

        with bench.eyes.log_in(lun.wwn, lun.initiators[0]):
            refused = bench.do(
                "zfs_rename",
                {"src": lun.dst, "dst": f"{new}1"},
                {"src": bench.folder, "dst": f"{bench.folder}-2", "force": ["unmarked", "holders"]},
                {"src": foreign, "dst": f"{new}2"},
                {"src": lun.dst, "dst": other},
                {"src": f"{new}3", "dst": f"{new}4"},
                {"src": f"{new}5", "dst": foreign},
            )
            unchanged = bench.datasets()
        used, parent, unmarked, taken, lost, doubtful = refused.items
        forced = bench.do(
            "zfs_rename",
            {"src": foreign, "dst": f"{new}2", "force": ["unmarked"]},
            {"src": lun.dst, "dst": f"{new}1", "force": ["exported", "holders"]},
        )
        record = bench.record(lun)
        undone = bench.undo(forced)

        assert lun.initiators[0] in used.error
        assert f"/{lun.storage_object}" in used.error
        assert lun.initiators[0] in parent.error
        assert f"it has {lun.dst}" in parent.error
        assert "force: [sessions, exported, children]" in parent.fix
        assert "was not made by lunops" in unmarked.error
        assert f"{other} exists already" in taken.error
        assert f"neither {new}3 nor {new}4 exists" in lost.error
        assert "may be another thing" in doubtful.error
        assert statuses(refused) == [FAILED] * 6
        assert unchanged == before
        assert statuses(forced) == [CHANGED, CHANGED]
        assert f"after lio_absent there, export {new}1 anew" in forced.items[1].changes[1]
        assert record is not None
        assert record["dataset"] == f"{new}1"
        assert {item.status for item in undone} == {CHANGED}
        assert bench.datasets() == before
        assert bench.is_served(lun)

    # -- list -------------------------------------------------------------------------------------------------

    def test_a_list_tells_what_was_asked_for_exactly_and_changes_nothing(self, bench: Bench) -> None:
        a, b = volumes(bench, "a", "b")
        shell(bench, "snapshot", f"{a}@1")
        shell(bench, "set", "org.example:why=it's, $(x)", a)
        looked = ["volsize", "lunops:managed", "org.example:why"]
        everything = ["filesystem", "volume", "snapshot"]

        alone, lost = bench.do(
            "zfs_list", {"dataset": a, "properties": looked}, {"dataset": f"{a}x", "properties": looked}
        ).items
        tree = only(
            bench.do("zfs_list", {"dataset": bench.folder, "properties": ["type"], "types": everything, "depth": 2})
        )
        taken = only(bench.do("zfs_list", {"dataset": a, "properties": ["guid"], "types": ["snapshot"], "depth": 1}))
        folders = only(bench.do("zfs_list", {"dataset": a, "properties": [], "types": ["filesystem"], "depth": 1}))
        unknown = only(bench.do("zfs_list", {"dataset": a, "properties": ["volsise"]}))
        bench.eyes.run(["zfs", "set", "org.example:why=a\tb", a])
        split = only(bench.do("zfs_list", {"dataset": a, "properties": looked}))

        assert alone.status is OK
        assert alone.data == [{"name": a, "volsize": "8388608", "lunops:managed": "1", "org.example:why": "it's, $(x)"}]
        assert f"{a}x does not exist" in lost.error
        assert {row["name"]: row["type"] for row in tree.data} == {
            bench.folder: "filesystem",
            a: "volume",
            b: "volume",
            f"{a}@1": "snapshot",
        }
        assert taken.data == [{"name": f"{a}@1", "guid": bench.property(f"{a}@1", "guid")[0]}]
        assert folders.data == []
        assert unknown.error == "zfs list failed: bad property list: invalid property 'volsise'"
        assert "is not one value for each of" in split.error


def volumes(bench: Bench, *names: str, marks: tuple[str, ...] = ("lunops:managed=1",)) -> list[str]:
    """Make small volumes in the test's folder, past the agent; return their names."""
    shell(bench, "create", "-p", bench.folder)
    words = [word for mark in marks for word in ("-o", mark)]
    for name in names:
        shell(bench, "create", "-s", "-V", "8M", *words, f"{bench.folder}/{name}")
    return [f"{bench.folder}/{name}" for name in names]


def shell(bench: Bench, *words: str) -> None:
    """Have a zfs command done, past the agent; it must succeed."""
    assert bench.eyes.run(["zfs", *words])[0] == 0, words


def holds(bench: Bench, snapshot: str) -> set[str]:
    """Return the tags that a snapshot is held with."""
    return {line.split("\t")[1] for line in bench.eyes.run(["zfs", "holds", "-H", snapshot])[1].splitlines()}


def statuses(result: TaskResult) -> list[Status]:
    """Return how a task's items ended, in their order."""
    return [item.status for item in result.items]


def only(result: TaskResult) -> ItemResult:
    """Return a task's one item."""
    (item,) = result.items
    return item
