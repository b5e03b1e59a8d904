#!/usr/bin/python3
"""Wait, for a bounded time, for the volumes that saveconfig.json names; ask udev again for the links that it lost.

Made by lunops (boot_order). systemd runs this before it restores the targets: a volume without its /dev/zvol link by
then is a LUN that is not served until someone restores it by hand. It never fails, so that the LUNs that can be
served are; what it waited for stands in the journal of that unit. Usage: wait-for-volumes SECONDS
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import stat
import subprocess
import sys
import time

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List

FILES = ("/etc/rtslib-fb-target/saveconfig.json", "/etc/target/saveconfig.json")
LINKS = "/dev/zvol/"
BLKZNAME = 0x8100127D  # _IOR(0x12, 125, char[256]): a zvol's dataset, asked of the device itself
ASK_AGAIN_S = 2.0  # a change event that comes back without a link is asked for once more
GONE_AFTER_S = 5.0  # before ZFS is asked whether a volume exists at all: rarely needed, and not free
LOOK_S = 0.25


def volumes(text: str) -> List[str]:
    """Return the datasets of the zvols in a saveconfig.json, each once."""
    names: List[str] = []
    for each in json.loads(text).get("storage_objects", []):
        device = each.get("dev", "") if isinstance(each, dict) else ""
        name = os.path.normpath(device)[len(LINKS) :] if str(device).startswith(LINKS) else ""
        if name and name not in names:
            names.append(name)
    return names


def dataset_of(device: str) -> str:
    """Return the dataset behind a device, the empty text if it does not say: its open fails now and then."""
    try:
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        name = array.array("B", bytes(256))
        fcntl.ioctl(handle, BLKZNAME, name, True)
        return name.tobytes().split(b"\0", 1)[0].decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(handle)


def is_there(dataset: str) -> bool:
    """Return whether the link leads to a block device that is this volume."""
    try:
        return stat.S_ISBLK(os.stat(LINKS + dataset).st_mode) and dataset_of(LINKS + dataset) == dataset
    except OSError:
        return False


def ask_udev_again(missing: List[str]) -> int:
    """Send a change event for each missing volume that has a device; return for how many."""
    asked = 0
    with contextlib.suppress(OSError):
        for device in os.listdir("/sys/block"):
            if device.startswith("zd") and dataset_of("/dev/" + device) in missing:
                with contextlib.suppress(OSError), open("/sys/block/%s/uevent" % device, "w", encoding="utf-8") as file:
                    file.write("change")
                    asked += 1
    return asked


def gone(missing: List[str], seconds: float) -> List[str]:
    """Return those that ZFS does not know, although it knows their pool: nothing to wait for."""
    known = _listed(["zfs", "list", "-H", "-t", "volume", "-o", "name", *missing], seconds)
    pools = _listed(["zpool", "list", "-H", "-o", "name"], seconds)
    return [name for name in missing if name not in known and name.split("/")[0] in pools]


def _listed(argv: List[str], seconds: float) -> List[str]:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=max(seconds, 1.0),
            check=False,
        )
        return done.stdout.decode("utf-8", "replace").splitlines()
    return []


def wait(names: List[str], seconds: float) -> List[str]:
    """Wait for the volumes; return those that did not come."""
    begun = asked_at = time.monotonic()
    missing = [name for name in names if not is_there(name)]
    asked, is_known = 0, False
    while missing and time.monotonic() - begun < seconds:
        time.sleep(LOOK_S)
        now = time.monotonic()
        if now - asked_at >= ASK_AGAIN_S:
            asked, asked_at = asked + ask_udev_again(missing), now
        if not is_known and now - begun >= GONE_AFTER_S:
            is_known = True
            dead = gone(missing, seconds - (now - begun))
            if dead:
                print("not waiting for volumes that do not exist: %s" % " ".join(dead))
            missing = [name for name in missing if name not in dead]
        missing = [name for name in missing if not is_there(name)]
    print("waited %.1f s for %d volumes; asked udev again %d times" % (time.monotonic() - begun, len(names), asked))
    return missing


def main() -> None:
    """Wait; whatever goes wrong is told, and is no failure."""
    try:
        seconds = float(sys.argv[1])
        path = next((path for path in FILES if os.path.exists(path)), "")
        if not path:
            print("no targets are saved: nothing to wait for")
            return
        with open(path, encoding="utf-8") as file:
            names = volumes(file.read())
        missing = wait(names, seconds)
        if missing:
            print("their LUNs will not be served, no device after %d s: %s" % (seconds, " ".join(missing)))
    except Exception as error:  # the targets are restored in any case
        print("could not wait for the volumes: %r" % error)


if __name__ == "__main__":
    main()
