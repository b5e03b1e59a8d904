"""Drift, reconcile and adopt: what every head must do, the simulated one and the real one alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lunops.model import Status
from tests.operations import fragments, strangers
from tests.operations.bench import CORE, ISCSI, RECORDS, SAVECONFIG, Bench, Lun

OK, CHANGED, FAILED, SKIPPED = Status.OK, Status.CHANGED, Status.FAILED, Status.SKIPPED


def drift(bench: Bench) -> dict[str, Any]:
    """Return what drift finds of this test's LUNs, by IQN (the storage object's name where there is none)."""
    result = bench.do("drift", {})
    assert result.status is OK, result
    (item,) = result.items
    return {
        each["wwn"] or each["storage_object"]: each
        for each in item.data
        if bench.test in each["key"] or each["wwn"] == strangers.WWN
    }


def mend(bench: Bench, lun: Lun, *, force: tuple[str, ...] = ()) -> Any:
    """Mend one LUN; return how that ended."""
    (item,) = bench.do("reconcile", {"lun": lun.wwn, "force": list(force)}).items
    return item


def forget(bench: Bench, lun: Lun) -> None:
    """Lose the record of a LUN."""
    records = json.loads(bench.eyes.read(RECORDS))
    del records["luns"][lun.wwn]
    bench.eyes.put(RECORDS, json.dumps(records))


def remember(bench: Bench, lun: Lun, record: dict[str, Any]) -> None:
    """Set the record of a LUN."""
    records = json.loads(bench.eyes.read(RECORDS))
    records["luns"][lun.wwn] = record
    bench.eyes.put(RECORDS, json.dumps(records))


class DriftSuite:
    """Inherit it, and give it a fixture `bench`."""

    @pytest.fixture
    def stranger(self, bench: Bench) -> Iterator[tuple[object, ...]]:
        """Have a LUN on the head that lunops did not make; it must stay as it is."""
        bench.create(bench.luns(1))  # a head that serves
        strangers.make(bench)
        before = strangers.seen(bench)
        yield before
        strangers.unmake(bench)

    def test_a_healthy_head_has_no_drift_and_reconcile_changes_nothing(
        self, bench: Bench, stranger: tuple[object, ...]
    ) -> None:
        luns = bench.luns(2)
        bench.create(luns)
        bench.delete(luns[1:], destroy=False)
        before = (bench.saved(), bench.eyes.read(RECORDS), bench.datasets())

        found = drift(bench)
        result = bench.do("reconcile", {"lun": luns[0].wwn}, {"lun": luns[1].wwn})

        assert found == {}
        assert [item.status for item in result.items] == [OK, OK]
        assert (bench.saved(), bench.eyes.read(RECORDS), bench.datasets()) == before
        assert strangers.seen(bench) == stranger

    def test_each_layer_that_lacks_something_is_named_and_mended(self, bench: Bench) -> None:
        linkless, unsaved, changed, healthy = luns = bench.luns(4)
        bench.create(luns)
        bench.eyes.unlink(f"/dev/zvol/{linkless.dst}")
        saved = bench.saved()
        saved["targets"] = [one for one in saved["targets"] if one["wwn"] != unsaved.wwn]
        bench.eyes.put(SAVECONFIG, json.dumps(saved))
        bench.eyes.write(f"{ISCSI}/{changed.wwn}/tpgt_1/attrib/prod_mode_write_protect", "1")
        bench.eyes.mkdir(f"{ISCSI}/{changed.wwn}/tpgt_1/acls/iqn.2024-01.org.example:stray")

        found = drift(bench)
        told = bench.do("reconcile", {"lun": changed.wwn}, check=True).items[0].changes
        results = [mend(bench, lun) for lun in luns]

        assert {wwn: (each["state"], each["where"]) for wwn, each in found.items()} == {
            linkless.wwn: ("missing", ["device"]),
            unsaved.wwn: ("changed", ["saveconfig"]),
            changed.wwn: ("changed", ["kernel"]),
        }
        assert "prod_mode_write_protect is 1, not 0" in " ".join(found[changed.wwn]["reasons"])
        assert "acls/iqn.2024-01.org.example:stray, which is not wanted" in " ".join(found[changed.wwn]["reasons"])
        assert list(told) == found[changed.wwn]["mend"]
        assert any("prod_mode_write_protect = 0" in line for line in told)
        assert [item.status for item in results] == [CHANGED, CHANGED, CHANGED, OK], results
        assert drift(bench) == {}
        assert [lun for lun in luns if not bench.is_served(lun)] == []
        assert bench.acls(changed) == set(changed.initiators)
        assert healthy.wwn not in found

    def test_luns_that_a_half_loaded_head_erased_from_its_file_come_back(self, bench: Bench) -> None:
        luns = bench.luns(3)
        bench.create(luns)
        serials = [bench.property(lun.dst, "lunops:serial")[0] for lun in luns]
        bench.eyes.lose_targets()
        if not bench.eyes.exists(CORE):
            bench.eyes.run(["modprobe", "iscsi_target_mod"])

        found = drift(bench)
        result = bench.do("reconcile", *[{"lun": lun.wwn} for lun in luns])

        assert set(found) == {lun.wwn for lun in luns}
        assert all({"kernel", "saveconfig"} <= set(each["where"]) for each in found.values()), found
        assert {item.status for item in result.items} == {CHANGED}, result
        assert [lun for lun in luns if not bench.is_served(lun)] == []
        assert drift(bench) == {}
        now = [bench.eyes.read(f"{bench.storage_folder(lun)}/wwn/vpd_unit_serial").split()[-1] for lun in luns]
        assert now == serials

    def test_an_interrupted_delete_is_finished(self, bench: Bench) -> None:
        destroyed, unshared, kept = luns = bench.luns(3)
        bench.create(luns)
        before = bench.record(unshared)
        bench.run(bench.only(bench.delete_plan([destroyed]), "lio_absent"))
        assert before is not None
        remember(bench, unshared, {**before, "want": "unshared"})
        bench.delete([kept], destroy=False)

        found = drift(bench)
        results = [mend(bench, lun) for lun in luns]

        assert {wwn: (each["state"], each["where"]) for wwn, each in found.items()} == {
            destroyed.wwn: ("extra", ["zfs"]),
            unshared.wwn: ("extra", ["kernel", "saveconfig"]),
        }
        assert f"zfs destroy {destroyed.dst}" in found[destroyed.wwn]["mend"]
        assert [item.status for item in results] == [CHANGED, CHANGED, OK], results
        assert bench.traces(destroyed) == []
        assert bench.record(destroyed) is None
        assert bench.traces(unshared) == bench.traces(kept) == ["zfs", "device"]
        assert drift(bench) == {}

    def test_a_clone_made_anew_is_not_destroyed_by_what_is_recorded_of_the_one_before(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        bench.run(bench.only(bench.delete_plan([lun]), "lio_absent"))
        assert bench.eyes.run(["zfs", "destroy", lun.dst])[0] == 0
        assert bench.eyes.run(["zfs", "clone", bench.golden, lun.dst])[0] == 0

        found = drift(bench)
        item = mend(bench, lun)

        assert (found[lun.wwn]["where"], found[lun.wwn]["mend"]) == (["record"], [f"forget {lun.wwn}"])
        assert item.status is CHANGED
        assert lun.dst in bench.datasets()
        assert drift(bench) == {}
        bench.eyes.run(["zfs", "destroy", lun.dst])

    def test_a_running_creation_is_left_alone_and_an_interrupted_one_is_taken_back(self, bench: Bench) -> None:
        fresh, written = luns = bench.luns(2)
        bench.run(bench.only(bench.create_plan(luns), "zfs_clone", "wait_for_device"))
        bench.eyes.scribble(written.dst)

        running = drift(bench)
        left = mend(bench, fresh)
        bench.close()  # the run's session ends, by whatever
        found = drift(bench)
        results = [mend(bench, lun) for lun in luns]
        still = bench.traces(written)
        forced = mend(bench, written, force=("written",))

        assert {each["state"] for each in running.values()} == {"in work"}
        assert "in work by pid" in running[fresh.wwn]["reasons"][0]
        assert left.status is SKIPPED
        assert {each["state"] for each in found.values()} == {"half-made"}
        assert found[fresh.wwn]["mend"] == [f"zfs destroy {fresh.dst}", f"forget {fresh.wwn}"]
        assert "something was written to it" in found[written.wwn]["refused"]
        assert [item.status for item in results] == [CHANGED, FAILED]
        assert still == ["zfs", "device"]
        assert forced.status is CHANGED, forced
        assert [bench.traces(lun) for lun in luns] == [[], []]
        assert drift(bench) == {}

    def test_a_clone_whose_marks_a_power_cut_took_is_taken_back_if_it_is_unused(self, bench: Bench) -> None:
        # zfs clone -o sets the properties in a transaction of its own: seen on the real kernel, with the plug pulled
        lost, used, other = luns = bench.luns(3)
        bench.run(bench.only(bench.create_plan(luns), "zfs_clone", "wait_for_device"))
        bench.close()
        for mark in ("managed", "lun", "serial", "made"):
            for lun in luns:
                bench.eyes.run(["zfs", "inherit", f"lunops:{mark}", lun.dst])
        bench.eyes.scribble(used.dst)
        assert bench.eyes.run(["zfs", "destroy", other.dst])[0] == 0
        assert bench.eyes.run(["zfs", "create", "-s", "-V", "16M", other.dst])[0] == 0

        found = drift(bench)
        results = [mend(bench, lun, force=("written",)) for lun in luns]
        left = {lun.wwn: bench.traces(lun) for lun in luns}
        for lun in (used, other):
            bench.eyes.run(["zfs", "destroy", lun.dst])
        gone = [mend(bench, lun) for lun in luns]

        assert {each["state"] for each in found.values()} == {"half-made"}, found
        assert [item.status for item in results] == [CHANGED, FAILED, FAILED], results
        assert "something was written to it" in results[1].error
        assert "carries no mark" in results[2].error
        assert left == {lost.wwn: [], used.wwn: ["zfs", "device"], other.wwn: ["zfs", "device"]}
        assert [item.status for item in gone] == [OK, CHANGED, CHANGED]
        assert drift(bench) == {}

    def test_half_of_an_export_without_record_is_taken_away(self, bench: Bench) -> None:
        lun, other = bench.luns(2)
        bench.create([other])
        bench.run(bench.only(bench.create_plan([lun]), "zfs_clone", "wait_for_device"))
        bench.close()
        hba = f"{CORE}/iblock_978"
        for path in (hba, f"{hba}/{lun.storage_object}", f"{ISCSI}/{lun.wwn}"):
            bench.eyes.mkdir(path)

        found = drift(bench)
        item = mend(bench, lun)

        assert found[lun.wwn]["state"] == "half-made"
        assert item.status is CHANGED, item
        assert bench.traces(lun) == []
        assert not bench.eyes.exists(hba)

    def test_a_lun_whose_record_was_lost_is_recorded_as_it_was(self, bench: Bench) -> None:
        lun, resaved = bench.luns(2)
        bench.create([lun, resaved])
        before = bench.record(lun)
        forget(bench, lun)
        forget(bench, resaved)
        saved = bench.saved()
        for storage in saved["storage_objects"]:
            if storage["name"] == resaved.storage_object:
                storage["alua_tpgs"] = [{"name": "default_tg_pt_gp", "tg_pt_gp_id": 0}]  # as rtslib writes it
        bench.eyes.put(SAVECONFIG, json.dumps(saved))

        found = drift(bench)
        item, other = mend(bench, lun), mend(bench, resaved)

        assert {each["state"] for each in found.values()} == {"unrecorded"}
        assert item.status is other.status is CHANGED, (item, other)
        assert bench.record(lun) == before
        record = bench.record(resaved)
        assert record is not None
        (target,) = record["fragment"]["targets"]
        assert [acl["node_wwn"] for acl in target["tpgs"][0]["node_acls"]] == list(resaved.initiators)
        mend(bench, resaved)
        assert drift(bench) == {}

    def test_leftovers_of_a_volume_that_is_gone_are_removed_with_its_record(self, bench: Bench) -> None:
        lun, healthy = bench.luns(2)
        bench.create([lun, healthy])
        record, saved = bench.record(lun), bench.saved()
        bench.delete([lun])
        assert record is not None
        remember(bench, lun, record)
        bench.eyes.put(SAVECONFIG, json.dumps(saved))
        bench.eyes.mkdir(f"{ISCSI}/{lun.wwn}")

        found = drift(bench)
        item = mend(bench, lun)

        assert found[lun.wwn]["where"] == ["record", "kernel", "saveconfig"]
        assert "is gone" in found[lun.wwn]["reasons"][0]
        assert item.status is CHANGED, item
        assert bench.traces(lun) == []
        assert bench.record(lun) is None
        assert bench.is_served(healthy)
        assert drift(bench) == {}

    def test_a_volume_of_a_pool_that_is_not_imported_is_not_taken_for_gone(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        record = bench.record(lun)
        assert record is not None
        remember(bench, lun, {**record, "dataset": "elsewhere/n1"})

        found = bench.do("drift", {}).items[0].data
        item = mend(bench, lun)
        remember(bench, lun, record)

        (mine,) = [each for each in found if each["dataset"] == "elsewhere/n1"]
        assert "the pool elsewhere is not imported" in mine["refused"]
        assert item.status is FAILED
        assert bench.is_served(lun)

    def test_a_renamed_volume_is_told_and_nothing_is_taken_away(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        record = bench.record(lun)
        assert record is not None
        remember(bench, lun, {**record, "dataset": f"{lun.dst}-before"})

        found = drift(bench)
        item = mend(bench, lun)
        remember(bench, lun, record)

        assert f"is called {lun.dst} now" in found[lun.wwn]["refused"]
        assert item.status is FAILED
        assert bench.is_served(lun)
        assert drift(bench) == {}

    def test_what_is_in_use_is_added_to_and_never_changed(self, bench: Bench) -> None:
        (lun,) = bench.luns(1, initiators=("iqn.2024-01.org.example:init", "iqn.2024-01.org.example:other"))
        bench.create([lun])
        tpg = f"{ISCSI}/{lun.wwn}/tpgt_1"

        with bench.eyes.log_in(lun.wwn, lun.initiators[0]):
            acl = f"{tpg}/acls/{lun.initiators[1]}"
            (mapped,) = [
                name for name in bench.eyes.listdir(f"{acl}/lun_0") if len(name) == 10 and name != "statistics"
            ]
            bench.eyes.unlink(f"{acl}/lun_0/{mapped}")
            bench.eyes.rmdir(f"{acl}/lun_0")
            bench.eyes.rmdir(acl)
            added = mend(bench, lun)
            bench.eyes.write(f"{tpg}/attrib/prod_mode_write_protect", "1")
            found = drift(bench)
            refused = mend(bench, lun)
            value = bench.eyes.read(f"{tpg}/attrib/prod_mode_write_protect").strip()
            session = bench.eyes.read(f"{tpg}/acls/{lun.initiators[0]}/info")
        after = mend(bench, lun)

        assert added.status is CHANGED, added
        assert bench.acls(lun) == set(lun.initiators)
        assert f"in use by {lun.initiators[0]}" in refused.error
        assert refused.error == found[lun.wwn]["refused"]
        assert value == "1"
        assert "LOGGED_IN" in session
        assert after.status is CHANGED, after
        assert drift(bench) == {}

    def test_a_stranger_that_has_taken_our_volume_is_named_and_not_touched(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        record = bench.record(lun)
        bench.delete([lun], destroy=False)
        assert record is not None
        remember(bench, lun, record)
        folder = f"{CORE}/iblock_979/taken"
        for path in (f"{CORE}/iblock_979", folder):
            bench.eyes.mkdir(path)
        bench.eyes.write(f"{folder}/control", f"udev_path=/dev/zvol/{lun.dst}")
        bench.eyes.write(f"{folder}/udev_path", f"/dev/zvol/{lun.dst}")
        bench.eyes.write(f"{folder}/enable", "1")

        found = drift(bench)
        item = mend(bench, lun)
        still = bench.eyes.read(f"{folder}/enable").strip()
        bench.eyes.rmdir(folder)
        bench.eyes.rmdir(f"{CORE}/iblock_979")
        after = mend(bench, lun)

        assert "is exported by the storage object taken, which lunops did not make" in found[lun.wwn]["refused"]
        assert item.status is FAILED
        assert still == "1"
        assert after.status is CHANGED, after
        assert bench.is_served(lun)

    # -- adopt ------------------------------------------------------------------------------------------------

    def test_a_lun_made_by_hand_is_adopted_as_it_is_and_undone_and_deleted(
        self, bench: Bench, stranger: tuple[object, ...]
    ) -> None:
        dataset = f"{bench.pool}/by-hand"

        (looked,) = bench.do("adopt", {}, check=True).items
        told = bench.do("adopt", {"dataset": dataset}, check=True)
        untouched = strangers.seen(bench) == stranger
        first = bench.do("adopt", {"dataset": dataset})
        again = bench.do("adopt", {"dataset": dataset})
        found = drift(bench)
        undone = bench.undo(first)
        after = strangers.seen(bench) == stranger
        bench.do("adopt", {"dataset": dataset})
        absent = bench.do("lio_absent", {"dataset": dataset, "wwn": strangers.WWN, "then_destroy": True})
        destroyed = bench.do("zfs_destroy", {"dataset": dataset})

        (mine,) = [each for each in looked.data if each["wwn"] == strangers.WWN]
        assert (mine["dataset"], mine["storage_object"], mine["serial"]) == (dataset, strangers.NAME, strangers.SERIAL)
        assert untouched
        assert told.items[0].changes == first.items[0].changes
        assert f"zfs set lunops:managed=1 {dataset}" in first.items[0].changes
        assert (first.status, again.status) == (CHANGED, OK), (first, again)
        assert [each["where"] for each in found.values()] in ([], [["saveconfig"]])  # saved by hand, without values
        assert undone[0].status is CHANGED, undone
        assert after
        assert absent.status is destroyed.status is CHANGED, (absent, destroyed)
        assert not bench.eyes.exists(f"{ISCSI}/{strangers.WWN}")
        assert not bench.eyes.exists(f"{CORE}/iblock_900")
        assert strangers.NAME not in bench.saved_names()
        assert drift(bench) == {}

    def test_what_cannot_be_kept_as_it_is_is_not_adopted(self, bench: Bench, stranger: tuple[object, ...]) -> None:
        dataset = f"{bench.pool}/by-hand"
        tpg = f"{ISCSI}/{strangers.WWN}/tpgt_2"
        bench.eyes.mkdir(tpg)

        (item,) = bench.do("adopt", {"dataset": dataset}).items
        (none,) = bench.do("adopt", {"dataset": f"{bench.pool}/nothing"}).items
        (looked,) = bench.do("adopt", {}, check=True).items
        bench.eyes.rmdir(tpg)

        (mine,) = [each for each in looked.data if each["wwn"] == strangers.WWN]
        assert "2 portal groups" in mine["refused"]
        assert item.status is none.status is FAILED
        assert "no target exports" in none.error
        assert strangers.seen(bench) == stranger

    @pytest.mark.parametrize("kind", ["volumes and a file", "a file alone"])
    def test_a_target_of_any_fragment_is_held_to_its_record_and_mended(self, bench: Bench, kind: str) -> None:
        on_volumes = [fragments.block(bench, number) for number in range(2)] if kind != "a file alone" else []
        fragments.volumes(bench, len(on_volumes))
        whole = fragments.fragment(bench, [*on_volumes, fragments.file(bench)])
        wwn = fragments.wwn(bench)
        assert bench.do("lio_fragment", {"fragment": whole}).items[0].status is CHANGED
        healthy = drift(bench)

        bench.eyes.write(f"{ISCSI}/{wwn}/tpgt_1/enable", "0")
        bench.eyes.lose_targets()
        found = drift(bench)
        mended = bench.do("reconcile", {})
        after = drift(bench)
        served = bench.eyes.read(f"{ISCSI}/{wwn}/tpgt_1/enable").strip()
        luns = bench.eyes.listdir(f"{ISCSI}/{wwn}/tpgt_1/lun")
        taken_away = bench.do("lio_absent", {"wwn": wwn})
        last = drift(bench)

        assert healthy == {}
        assert "saveconfig" in found[wwn]["where"]
        assert not mended.status.is_bad, mended
        assert (after, served, len(luns)) == ({}, "1", len(on_volumes) + 1)
        assert not taken_away.status.is_bad, taken_away
        assert last == {}
