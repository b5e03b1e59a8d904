"""What doctor must find on every head once it is there: each break is put on the head, and doctor names it."""

from __future__ import annotations

import json
from typing import Any

from lunops.model import Status, TaskResult
from tests.operations.bench import CORE, ISCSI, RECORDS, SAVECONFIG, Bench
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_wedged import MARK, put_mark, start_of_pid_1

UNIT = "rtslib-fb-targetctl.service"
LOCK = "/var/run/targetcli.lock"
DAMAGE = ("note", "warning", "error")


def ask(bench: Bench, fail_on: str = "never") -> TaskResult:
    return bench.do("doctor", {"fail_on": fail_on})


def found(result: TaskResult) -> dict[str, dict[str, Any]]:
    """Return what was found, by id; of several with one id, the last."""
    return {one["id"]: one for one in result.items[0].data["findings"] if one["severity"] in DAMAGE}


def put_file(bench: Bench, path: str, text: str) -> None:
    """Make a file, and its folders."""
    if isinstance(bench.eyes, SimEyes):
        bench.eyes.system.make_dirs(path.rsplit("/", 1)[0])
    else:
        bench.eyes.run(["mkdir", "-p", path.rsplit("/", 1)[0]])
    bench.eyes.put(path, text)


def write(bench: Bench, path: str, text: str) -> None:
    """Write to a file of the kernel's."""
    if isinstance(bench.eyes, SimEyes):
        bench.eyes.system.write(path, text)
    else:
        bench.eyes.put(path, text)


def rmdir(bench: Bench, *paths: str) -> None:
    for path in paths:
        if isinstance(bench.eyes, SimEyes):
            bench.eyes.system.rmdir(path)
        else:
            bench.eyes.run(["rmdir", path])


class DoctorSuite:
    """Inherit it, and give it a fixture `bench`."""

    def test_a_head_with_whole_luns_has_no_error_and_nothing_is_changed(self, bench: Bench) -> None:
        luns = bench.luns(2)
        bench.create(luns)
        bench.do("boot_order", {})
        before = bench.eyes.read(SAVECONFIG), bench.eyes.read(RECORDS)

        result = ask(bench, fail_on="warning")
        after = bench.eyes.read(SAVECONFIG), bench.eyes.read(RECORDS)
        bench.do("boot_order", {"state": "absent"})
        without = found(ask(bench))
        bench.delete(luns)

        assert result.status is Status.OK, found(result)
        assert set(found(result)) <= {"pool-scrub", "module-missing"}
        assert after == before
        assert without["boot-order"]["severity"] == "warning"
        assert "prepare-heads.yml" in without["boot-order"]["fix"]

    def test_serials_that_make_one_disk_of_two_are_found(self, bench: Bench) -> None:
        twin, other = bench.luns(2)
        bench.create([twin, other])
        serial = bench.property(twin.dst, "lunops:serial")[0]
        by_hand = f"{CORE}/iblock_778"
        for folder in (by_hand, f"{by_hand}/by-hand"):
            bench.eyes.mkdir(folder)
        last = "0" if serial[-1] != "0" else "1"
        write(bench, f"{by_hand}/by-hand/wwn/vpd_unit_serial", serial[:-1] + last)

        result = ask(bench, fail_on="error")
        rmdir(bench, f"{by_hand}/by-hand", by_hand)
        bench.delete([twin, other])

        assert result.status is Status.FAILED
        one = found(result)["naa-duplicate"]
        assert twin.storage_object in one["what"]
        assert "by-hand" in one["what"]
        assert other.storage_object not in one["what"]
        assert "naa-duplicate" in result.items[0].error

    def test_what_is_half_made_or_differs_from_saveconfig_is_found(self, bench: Bench) -> None:
        luns = bench.luns(2)
        bench.create(luns)
        saved = bench.eyes.read(SAVECONFIG)
        value = json.loads(saved)
        value["targets"] = [one for one in value["targets"] if one["wwn"] != luns[0].wwn]
        value["targets"].append({"fabric": "iscsi", "wwn": "iqn.2024-01.org.example:lost", "tpgs": []})
        bench.eyes.put(SAVECONFIG, json.dumps(value))
        bench.eyes.run(["chmod", "0644", SAVECONFIG])
        empty, off = f"{ISCSI}/iqn.2024-01.org.example:empty", f"{ISCSI}/{luns[1].wwn}/tpgt_1"
        alone = f"{CORE}/iblock_777"
        for folder in (empty, f"{empty}/tpgt_1", alone, f"{alone}/alone"):
            bench.eyes.mkdir(folder)
        write(bench, f"{empty}/tpgt_1/enable", "1")
        write(bench, f"{off}/enable", "0")

        seen = found(ask(bench))
        write(bench, f"{off}/enable", "1")
        write(bench, f"{empty}/tpgt_1/enable", "0")
        rmdir(bench, f"{empty}/tpgt_1", empty, f"{alone}/alone", alone)
        bench.eyes.put(SAVECONFIG, saved)
        bench.eyes.run(["chmod", "0600", SAVECONFIG])
        after = found(ask(bench))
        bench.delete(luns)

        assert seen["saveconfig-lacks"]["severity"] == "error"
        assert luns[0].wwn in seen["saveconfig-lacks"]["what"]
        assert "iqn.2024-01.org.example:lost" in seen["saveconfig-extra"]["what"]
        assert "0644" in seen["saveconfig-mode"]["what"]
        assert "iqn.2024-01.org.example:empty" in seen["target-empty"]["what"]
        assert luns[1].wwn in seen["target-disabled"]["what"]
        assert seen["target-disabled"]["severity"] == "error"
        assert "iblock_777/alone" in seen["storage-unused"]["what"]
        assert "iblock_777/alone" in seen["storage-disabled"]["what"]
        assert not set(after) - {"boot-order", "pool-scrub", "module-missing"}, after

    def test_a_lost_link_a_held_lock_and_files_that_cannot_be_read_are_found(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        records = bench.eyes.read(RECORDS)
        bench.eyes.unlink(f"/dev/zvol/{lun.dst}")
        bench.eyes.put(RECORDS, "{")
        with bench.eyes.hold_lock(LOCK):
            seen = found(ask(bench))
        bench.eyes.put(RECORDS, records)
        bench.do("wait_for_device", {"dataset": lun.dst})
        after = found(ask(bench))
        bench.delete([lun])

        assert (seen["link-lost"]["severity"], seen["link-lost"]["where"]) == ("error", f"/dev/zvol/{lun.dst}")
        assert lun.dst in seen["storage-dangling"]["what"]
        assert "is not what lunops writes" in seen["records-unreadable"]["what"]
        assert "pid " in seen["lock-held"]["what"]
        assert not {"link-lost", "storage-dangling", "records-unreadable", "lock-held"} & set(after)

    def test_lvm_and_multipath_that_look_at_zvols_and_a_unit_that_is_off_are_found(self, bench: Bench) -> None:
        put_file(bench, "/usr/sbin/lvm", "")
        put_file(bench, "/usr/sbin/multipathd", "")
        put_file(bench, "/etc/lvm/lvm.conf", 'devices {\n\t# global_filter = [ "r|/dev/zd.*|" ]\n}\n')
        put_file(bench, "/etc/multipath.conf", 'blacklist {\n\tdevnode "^sd"\n}\n')
        bench.eyes.run(["systemctl", "disable", UNIT])

        seen = found(ask(bench))
        bench.eyes.put("/etc/lvm/lvm.conf", 'devices {\n\tglobal_filter = [ "r|/dev/zd.*|" ]\n}\n')
        bench.eyes.put("/etc/multipath.conf", 'blacklist {\n\tdevnode "^zd[0-9]+"\n}\n')
        bench.eyes.run(["systemctl", "enable", UNIT])
        after = found(ask(bench))
        for path in ("/usr/sbin/lvm", "/usr/sbin/multipathd", "/etc/lvm/lvm.conf", "/etc/multipath.conf"):
            bench.eyes.unlink(path)

        assert "global_filter" in seen["lvm-filter"]["fix"]
        assert "devnode" in seen["multipath-blacklist"]["fix"]
        assert seen["boot-unit"]["severity"] == "error"
        assert not {"lvm-filter", "multipath-blacklist", "boot-unit"} & set(after)

    def test_a_wedged_head_is_found_without_looking_at_lio(self, bench: Bench) -> None:
        put_mark(bench, pid=1, start=start_of_pid_1(bench))

        result = ask(bench)
        bench.eyes.unlink(MARK)

        assert "pid 1 hangs in the kernel" in found(result)["wedged"]["what"]
        assert result.items[0].data["facts"]["targets"] == []
