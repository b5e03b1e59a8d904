"""What lunops did not make on a head, and must never touch: made by hand, and compared afterwards."""

from __future__ import annotations

import json

from tests.operations.bench import CORE, ISCSI, SAVECONFIG, Bench

WWN = "iqn.1999-09.org.example:by-hand"
NAME = "by-hand"
SERIAL = "0d5f9a52-24d4-4f3a-8a7e-5a5a1d2c3b4a"
_DATASET = "by-hand"
_PROPERTIES = "guid,origin,lunops:managed,lunops:lun"


def make(bench: Bench) -> None:
    """Make a clone without marks, exported by a target whose names are not ours, and saved, as targetcli does."""
    run, system = bench.eyes.run, bench.eyes
    dataset = f"{bench.pool}/{_DATASET}"
    assert run(["zfs", "clone", bench.golden, dataset])[0] == 0
    folder, tpg = f"{CORE}/iblock_900/{NAME}", f"{ISCSI}/{WWN}/tpgt_1"
    for path in (f"{CORE}/iblock_900", folder):
        system.mkdir(path)
    system.write(f"{folder}/udev_path", f"/dev/zvol/{dataset}")
    system.write(f"{folder}/control", f"udev_path=/dev/zvol/{dataset}")
    system.write(f"{folder}/enable", "1")
    system.write(f"{folder}/wwn/vpd_unit_serial", SERIAL)
    for path in (f"{ISCSI}/{WWN}", tpg, f"{tpg}/lun/lun_0"):
        system.mkdir(path)
    system.symlink(folder, f"{tpg}/lun/lun_0/0123456789")
    system.write(f"{tpg}/enable", "1")
    saved = json.loads(system.read(SAVECONFIG)) if system.exists(SAVECONFIG) else {}
    saved.setdefault("fabric_modules", [])
    saved.setdefault("storage_objects", []).append(
        {"plugin": "block", "name": NAME, "dev": f"/dev/zvol/{dataset}", "wwn": SERIAL}
    )
    saved.setdefault("targets", []).append({"fabric": "iscsi", "wwn": WWN, "tpgs": [{"tag": 1, "enable": True}]})
    system.put(SAVECONFIG, json.dumps(saved))


def unmake(bench: Bench) -> None:
    """Take it away again, if it is there: a real head is shared with other tests."""
    system = bench.eyes
    tpg = f"{ISCSI}/{WWN}/tpgt_1"
    if system.exists(f"{ISCSI}/{WWN}"):
        system.write(f"{tpg}/enable", "0")
        for lun in system.listdir(f"{tpg}/lun"):
            system.unlink(f"{tpg}/lun/{lun}/0123456789")
            system.rmdir(f"{tpg}/lun/{lun}")
        system.rmdir(tpg)
        system.rmdir(f"{ISCSI}/{WWN}")
    for hba in system.listdir(CORE):  # a boot puts it into another one
        if NAME in system.listdir(f"{CORE}/{hba}"):
            system.rmdir(f"{CORE}/{hba}/{NAME}")
            system.rmdir(f"{CORE}/{hba}")
    saved = bench.saved()
    saved["storage_objects"] = [one for one in saved["storage_objects"] if one["name"] != NAME]
    saved["targets"] = [one for one in saved["targets"] if one["wwn"] != WWN]
    system.put(SAVECONFIG, json.dumps(saved))
    system.run(["zfs", "destroy", f"{bench.pool}/{_DATASET}"])


def kept(bench: Bench) -> tuple[object, ...]:
    """Return what is to stay as it is over a boot, too: dataset, what is saved."""
    dataset = f"{bench.pool}/{_DATASET}"
    saved = bench.saved()
    return (
        bench.eyes.run(["zfs", "get", "-Hp", "-o", "property,value,source", _PROPERTIES, dataset]),
        [one for one in saved["storage_objects"] if one["name"] == NAME],
        [one for one in saved["targets"] if one["wwn"] == WWN],
    )


def seen(bench: Bench) -> tuple[object, ...]:
    """Return all that is to stay as it is: dataset, kernel objects, what is saved of them."""
    return (
        bench.eyes.read(f"{CORE}/iblock_900/{NAME}/udev_path"),
        bench.eyes.read(f"{ISCSI}/{WWN}/tpgt_1/enable"),
        bench.eyes.listdir(f"{ISCSI}/{WWN}/tpgt_1/lun/lun_0"),
        *kept(bench),
    )
