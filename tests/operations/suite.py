"""What every head must do, the simulated one and the real one alike."""

from __future__ import annotations

import dataclasses
import json
import threading
from uuid import UUID

import pytest

from lunops.connections import connect
from lunops.connections.session import Session
from lunops.head_run import Silent
from lunops.model import Host, ItemResult, Status, Task
from lunops.names import Iqn
from lunops.runner import run_plan
from tests.operations.bench import CORE, ISCSI, RECORDS, SAVECONFIG, Bench, items, statuses, tasks_of

OK, CHANGED, FAILED, SKIPPED = Status.OK, Status.CHANGED, Status.FAILED, Status.SKIPPED


class OperationsSuite:
    """Inherit it, and give it a fixture `bench`."""

    # -- create -----------------------------------------------------------------------------------------------

    def test_create_makes_every_layer_of_every_lun(self, bench: Bench) -> None:
        luns = bench.luns(3)

        result = bench.create(luns, properties={"compression": "off"})

        assert not result.is_bad, result
        assert statuses(result, "zfs_clone") == statuses(result, "lio_target") == {CHANGED}
        assert [lun for lun in luns if not bench.is_served(lun)] == []
        assert bench.property(luns[0].dst, "compression") == ("off", "local")
        assert bench.acls(luns[0]) == set(luns[0].initiators)

    def test_create_again_changes_nothing_and_says_so(self, bench: Bench) -> None:
        luns = bench.luns(2)
        bench.create(luns, properties={"compression": "off"})
        before = (bench.datasets(), bench.saved())

        result = bench.create(luns, properties={"compression": "off"})

        assert not result.is_bad
        assert not result.is_changed
        assert (bench.datasets(), bench.saved()) == before

    def test_check_mode_tells_what_it_would_do_and_does_nothing(self, bench: Bench) -> None:
        luns = bench.luns(2)

        result = bench.create(luns, check=True)

        assert not result.is_bad, result
        assert f"zfs clone {bench.golden} {luns[0].dst}" in items(result, "zfs_clone")[luns[0].dst].changes
        assert any(luns[1].wwn in line for line in items(result, "lio_target")[luns[1].dst].changes)
        assert [bench.traces(lun) for lun in luns] == [[], []]
        assert bench.datasets() == {}

    def test_the_serial_is_a_uuid_on_the_dataset_and_in_the_kernel_and_stays_the_same(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        serials = []
        for _ in range(2):
            bench.create([lun])
            serial, source = bench.property(lun.dst, "lunops:serial")
            assert source == "local"
            assert bench.eyes.read(f"{bench.storage_folder(lun)}/wwn/vpd_unit_serial").split()[-1] == serial
            serials.append(UUID(serial))
            bench.delete([lun])

        assert serials[0] == serials[1] == UUID(Iqn.parse(lun.wwn).serial(bench.host.name))

    def test_a_serial_that_the_dataset_carries_is_kept(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        recorded = "0b5e2f0c-6d1e-4c7e-9a6b-2f8f0f5f7a11"
        bench.run(bench.only(bench.create_plan([lun]), "zfs_clone", "wait_for_device"))
        bench.eyes.run(["zfs", "set", f"lunops:serial={recorded}", lun.dst])

        result = bench.create([lun])

        assert not result.is_bad, result
        assert bench.eyes.read(f"{bench.storage_folder(lun)}/wwn/vpd_unit_serial").split()[-1] == recorded

    def test_one_impossible_item_fails_alone_and_leaves_nothing(self, bench: Bench) -> None:
        good, bad, other = bench.luns(3)
        bad = dataclasses.replace(bad, dst=f"{bench.folder}/deep/er/n01")

        result = bench.create([good, bad, other], sources={bad.dst: f"{bench.pool}/images/golden@none"})

        assert items(result, "zfs_clone")[bad.dst].status is FAILED
        assert "golden@none does not exist" in items(result, "zfs_clone")[bad.dst].error
        assert items(result, "lio_target")[bad.dst].status is SKIPPED
        assert bench.is_served(good)
        assert bench.is_served(other)
        assert bench.traces(bad) == []
        assert f"{bench.folder}/deep" not in bench.datasets()

    def test_a_missing_parent_is_an_error_unless_it_may_be_made(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)

        result = bench.create([lun], parents=False)

        assert "does not exist" in items(result, "zfs_clone")[lun.dst].error
        assert bench.datasets() == {}

    def test_what_stands_at_the_destination_and_is_another_thing_is_never_touched(self, bench: Bench) -> None:
        clone, volume, folder = bench.luns(3)
        for argv in (
            ["zfs", "create", "-p", folder.dst],
            ["zfs", "create", "-s", "-V", "16M", volume.dst],
            ["zfs", "snapshot", f"{volume.dst}@x"],
            ["zfs", "clone", f"{volume.dst}@x", clone.dst],
        ):
            assert bench.eyes.run(argv)[0] == 0
        before = bench.datasets()

        result = bench.create([clone, volume, folder])

        assert statuses(result, "zfs_clone") == {FAILED}
        assert f"a clone of {volume.dst}@x, not of {bench.golden}" in items(result, "zfs_clone")[clone.dst].error
        assert bench.datasets() == before
        bench.eyes.run(["zfs", "destroy", clone.dst])

    def test_a_clone_of_the_same_snapshot_is_used_again(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.eyes.run(["zfs", "create", "-p", bench.folder])
        bench.eyes.run(["zfs", "clone", bench.golden, lun.dst])

        result = bench.create([lun])

        assert items(result, "zfs_clone")[lun.dst].status is OK
        assert bench.is_served(lun)

    def test_a_lost_device_link_is_repaired(self, bench: Bench) -> None:
        luns = bench.luns(2)
        plan = bench.create_plan(luns)
        bench.run(bench.only(plan, "zfs_clone", "wait_for_device"))
        bench.eyes.unlink(f"/dev/zvol/{luns[0].dst}")

        result = bench.run(bench.only(plan, "wait_for_device"))

        assert items(result, "wait_for_device")[luns[0].dst].status is CHANGED
        assert items(result, "wait_for_device")[luns[1].dst].status is OK
        assert bench.eyes.exists(f"/dev/zvol/{luns[0].dst}")

    def test_an_item_that_fails_later_takes_back_what_was_made_for_it(self, bench: Bench) -> None:
        good, bad = bench.luns(2)
        bench.create([good])
        bad = dataclasses.replace(bad, dst=f"{bench.folder}/parent/n01", wwn=good.wwn)

        result = bench.create([bad])

        assert f"is /dev/zvol/{good.dst}, not /dev/zvol/{bad.dst}" in items(result, "lio_target")[bad.dst].error
        assert f"zfs destroy {bad.dst}" in items(result, "undo")[bad.dst].changes
        assert set(bench.datasets()) == {bench.folder, good.dst}
        assert bench.is_served(good)

    def test_a_half_made_storage_object_is_completed(self, bench: Bench) -> None:
        lun, other = bench.luns(2)
        bench.create([other])
        bench.run(bench.only(bench.create_plan([lun]), "zfs_clone", "wait_for_device"))
        hba = f"{CORE}/iblock_977"
        bench.eyes.mkdir(hba)
        bench.eyes.mkdir(f"{hba}/{lun.storage_object}")
        bench.eyes.mkdir(f"{ISCSI}/{lun.wwn}")

        result = bench.create([lun])

        assert not result.is_bad, result
        assert bench.is_served(lun)
        assert bench.storage_folder(lun) == f"{hba}/{lun.storage_object}"
        bench.delete([lun])
        assert not bench.eyes.exists(hba)

    def test_each_storage_object_has_an_hba_folder_of_its_own(self, bench: Bench) -> None:
        luns = bench.luns(3)
        bench.create(luns)

        folders = {bench.storage_folder(lun).rsplit("/", 2)[-2] for lun in luns}

        assert len(folders) == 3

    def test_initiators_are_added_and_those_not_wanted_are_removed(self, bench: Bench) -> None:
        (lun,) = bench.luns(1, initiators=("iqn.2024-01.org.example:a", "iqn.2024-01.org.example:b"))
        bench.create([lun])

        changed = dataclasses.replace(lun, initiators=("iqn.2024-01.org.example:b", "iqn.2024-01.org.example:c"))
        result = bench.create([changed])
        again = bench.create([changed])

        assert not result.is_bad, result
        assert bench.acls(lun) == set(changed.initiators)
        (saved,) = [target for target in bench.saved()["targets"] if target["wwn"] == lun.wwn]
        assert {acl["node_wwn"] for acl in saved["tpgs"][0]["node_acls"]} == set(changed.initiators)
        assert not again.is_changed

    def test_an_initiator_that_is_logged_in_is_not_removed(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])

        with bench.eyes.log_in(lun.wwn, lun.initiators[0]):
            result = bench.create([dataclasses.replace(lun, initiators=("iqn.2024-01.org.example:other",))])

        assert lun.initiators[0] in items(result, "lio_target")[lun.dst].error
        assert bench.acls(lun) == set(lun.initiators)

    def test_foreign_objects_in_saveconfig_are_kept_and_the_file_stays_private(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        foreign = {"fabric": "iscsi", "wwn": "iqn.1999-09.org.example:foreign", "tpgs": []}
        saved = bench.saved()
        saved["targets"].append(foreign)
        saved["fabric_modules"].append({"name": "iscsi", "discovery_enable_auth": False})
        bench.eyes.put(SAVECONFIG, json.dumps(saved))

        bench.delete([lun])

        after = bench.saved()
        assert foreign in after["targets"]
        assert after["fabric_modules"] == saved["fabric_modules"]
        assert not {lun.wwn, lun.storage_object} & bench.saved_names()
        assert bench.eyes.mode(SAVECONFIG) in (None, 0o600)

    def test_a_saveconfig_that_cannot_be_read_is_left_alone(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create(bench.luns(1))
        whole = bench.eyes.read(SAVECONFIG)
        bench.eyes.put(SAVECONFIG, whole[: len(whole) // 2])

        result = bench.delete([lun])
        kept = bench.eyes.read(SAVECONFIG)
        bench.eyes.put(SAVECONFIG, whole)

        assert "saveconfig.json is not what rtslib writes" in items(result, "lio_absent")[lun.dst].error
        assert kept == whole[: len(whole) // 2]
        assert bench.is_served(lun)

    def test_what_is_wanted_of_a_lun_is_recorded_until_it_is_destroyed(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        made = bench.record(lun)
        bench.delete([lun], destroy=False)
        unshared = bench.record(lun)
        bench.create([lun])
        again = bench.record(lun)
        bench.delete([lun])

        assert made is not None
        assert made == again
        assert (made["dataset"], made["want"]) == (lun.dst, "exported")
        assert made["fragment"]["targets"][0]["wwn"] == lun.wwn
        assert unshared is not None
        assert unshared["want"] == "unshared"
        assert bench.record(lun) is None
        assert bench.eyes.mode(RECORDS) in (None, 0o600)

    def test_what_was_refused_or_taken_back_leaves_the_record_as_it_was(self, bench: Bench) -> None:
        good, bad = bench.luns(2)
        bench.create([good])
        before = bench.record(good)

        bench.create([dataclasses.replace(bad, wwn=good.wwn)])
        with bench.eyes.log_in(good.wwn, good.initiators[0]):
            bench.delete([good])

        assert bench.record(good) == before

    # -- delete -----------------------------------------------------------------------------------------------

    def test_delete_leaves_nothing_and_again_changes_nothing(self, bench: Bench) -> None:
        luns = bench.luns(2)
        bench.create(luns)

        result = bench.delete(luns)
        again = bench.delete(luns)

        assert not result.is_bad, result
        assert statuses(result, "lio_absent") == statuses(result, "zfs_destroy") == {CHANGED}
        assert [bench.traces(lun) for lun in luns] == [[], []]
        assert not again.is_bad
        assert not again.is_changed

    def test_delete_keeps_the_clone_unless_asked(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])

        result = bench.delete([lun], destroy=False)

        assert not result.is_bad
        assert bench.traces(lun) == ["zfs", "device"]

    def test_delete_in_check_mode_does_nothing(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])

        result = bench.delete([lun], check=True)

        assert result.is_changed
        assert bench.is_served(lun)

    def test_delete_is_refused_while_an_initiator_is_logged_in_and_says_who(self, bench: Bench) -> None:
        used, free = bench.luns(2)
        bench.create([used, free])

        with bench.eyes.log_in(used.wwn, used.initiators[0]):
            result = bench.delete([used, free])
            still = bench.is_served(used)
        after = bench.delete([used])

        assert f"in use by {used.initiators[0]}" in items(result, "lio_absent")[used.dst].error
        assert items(result, "zfs_destroy")[used.dst].status is SKIPPED
        assert still
        assert bench.traces(free) == []
        assert not after.is_bad, after
        assert bench.traces(used) == []

    def test_only_what_lunops_made_is_destroyed(self, bench: Bench) -> None:
        foreign, inherited, snapped = bench.luns(3)
        bench.create([snapped])
        bench.eyes.run(["zfs", "snapshot", f"{snapped.dst}@keep"])
        bench.eyes.run(["zfs", "clone", bench.golden, foreign.dst])
        bench.eyes.run(["zfs", "clone", bench.golden, inherited.dst])
        bench.eyes.run(["zfs", "set", "lunops:managed=1", bench.folder])
        before = bench.datasets()

        result = bench.delete([foreign, inherited, snapped])

        errors = {key: item.error for key, item in items(result, "zfs_destroy").items()}
        assert "was not made by lunops" in errors[foreign.dst]
        assert "was not made by lunops" in errors[inherited.dst]
        assert f"has {snapped.dst}@keep" in errors[snapped.dst]
        assert bench.datasets() == before

    def test_what_is_still_exported_is_not_destroyed(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])

        result = bench.run(bench.only(bench.delete_plan([lun]), "zfs_destroy"))

        assert f"is exported by the storage object {bench.storage_folder(lun)[len(CORE) + 1 :]}" in (
            items(result, "zfs_destroy")[lun.dst].error
        )
        assert bench.is_served(lun)

    def test_a_target_with_another_disk_behind_it_is_not_removed(self, bench: Bench) -> None:
        mine, other = bench.luns(2)
        bench.create([mine, other])

        result = bench.delete([dataclasses.replace(mine, wwn=other.wwn)])

        assert f"exports /dev/zvol/{other.dst}, not /dev/zvol/{mine.dst}" in items(result, "lio_absent")[mine.dst].error
        assert bench.is_served(mine)
        assert bench.is_served(other)

    # -- the agent itself -------------------------------------------------------------------------------------

    def test_a_lock_held_by_targetcli_is_an_error_that_names_the_file(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        plan = bench.create_plan([lun])
        bench.run(bench.only(plan, "zfs_clone", "wait_for_device"))
        (task,) = tasks_of(bench.only(plan, "lio_target"))

        with bench.eyes.hold_lock("/var/run/targetcli.lock"):
            result = bench.session().run(dataclasses.replace(task, timeout_s=2.0))

        assert result.items[0].status is FAILED
        assert "LIO is locked" in result.items[0].error
        assert "targetcli.lock" in result.items[0].error
        assert bench.traces(lun) == ["zfs", "device"]

    def test_cancel_takes_effect_between_items(self, bench: Bench) -> None:
        luns = bench.luns(12)
        plan = bench.create_plan(luns)
        (task,) = tasks_of(bench.only(plan, "zfs_clone"))
        session = bench.session()
        first = threading.Event()

        def cancel(_item: ItemResult) -> None:
            if not first.is_set():
                first.set()
                session.cancel()

        with bench.eyes.slowed("zfs clone"):
            result = session.run(dataclasses.replace(task, forks=1), on_item=cancel)

        assert result.count(CHANGED) >= 1
        assert result.count(SKIPPED) >= 1
        assert result.count(CHANGED) + result.count(SKIPPED) == len(luns)
        made = {item.key for item in result.items if item.status is CHANGED}
        assert {name for name in bench.datasets() if name.startswith(f"{bench.folder}/")} == made

    def test_an_agent_killed_in_a_task_leaves_what_the_next_run_completes(self, bench: Bench) -> None:
        luns = bench.luns(10)
        plan = bench.create_plan(luns)
        session = bench.session()
        pid = session.hello.pid
        killed = threading.Event()

        def kill(_item: ItemResult) -> None:
            if not killed.is_set():
                killed.set()
                bench.eyes.run(["kill", "-9", str(pid)])

        (task,) = tasks_of(bench.only(plan, "zfs_clone"))
        try:
            with bench.eyes.slowed("zfs clone"):
                session.run(dataclasses.replace(task, forks=1), on_item=kill)
            ended = None
        except Exception as error:
            ended = error
        bench.close()
        result = bench.create(luns)

        assert ended is not None
        assert bench.host.name in str(ended)
        assert not result.is_bad, result
        assert [lun for lun in luns if not bench.is_served(lun)] == []

    @pytest.mark.parametrize("module", ["zfs_clone", "lio_target"])
    def test_an_agent_killed_in_a_run_leaves_each_lun_whole_or_not_at_all(self, bench: Bench, module: str) -> None:
        luns = bench.luns(5)
        sessions: list[Session] = []

        def connect_and_note(host: Host) -> Session:
            sessions.append(connect(host))
            return sessions[-1]

        def kill() -> None:
            bench.eyes.run(["kill", "-9", str(sessions[0].hello.pid)])

        class Killer(Silent):
            def task_started(self, _head: str, task: Task) -> None:
                if task.module == module == "lio_target":
                    threading.Timer(0.05, kill).start()

            def item_ended(self, _head: str, task: Task, _item: ItemResult) -> None:
                if task.module == module == "zfs_clone" and len(sessions) == 1:
                    kill()

        result = run_plan(bench.create_plan(luns), connect=connect_and_note, observer=Killer())

        exported = items(result, "lio_target")
        good = [lun for lun in luns if exported[lun.dst].status in (OK, CHANGED)]
        assert [lun for lun in luns if bench.is_served(lun)] == good
        assert [bench.traces(lun) for lun in luns if lun not in good] == [[]] * (len(luns) - len(good))
