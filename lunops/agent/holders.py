"""Who holds a volume's device: mounts, swap, device-mapper, RAID, loop devices, LIO, and open processes."""

from __future__ import annotations

import contextlib
import re

from lunops.agent import lio, remove
from lunops.agent.device import path_of

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, Iterator, List

    from lunops.agent.system import System

_MAPPED = (("LVM-", "LVM volume"), ("mpath-", "multipath map"), ("CRYPT-", "encrypted device"))
_PROCESSES = 4000  # looked at for a message; what they have open is read one by one
_LOOK_S = 2.0
_SHOWN = 5


def of(system: System, dataset: str) -> str:
    """Return who holds the volume's device, in words."""
    who = held(system, dataset) or ["open in " + one for one in processes(system, device_paths(system, dataset))]
    if who:
        return "it is " + "; ".join(who)
    return "who holds it cannot be seen from here (a process that has it open: fuser -v %s)" % path_of(dataset)


def held(system: System, dataset: str) -> List[str]:
    """Return who holds the volume or a partition of it for good, in words.

    A mount in another mount namespace (a container's) is not seen, nor is what only has it open.
    """
    paths = set(device_paths(system, dataset))
    if not paths:
        return []
    who = ["mounted at %s" % point for source, point in mounts(system) if _is_one_of(system, source, paths)]
    who += ["used as swap (%s)" % source for source in _swaps(system) if _is_one_of(system, source, paths)]
    for path in sorted(paths):
        for folder in _folders_of(path):
            who += [_mapped(system, name) for name in system.listdir(folder + "/holders")]
    for name in system.listdir("/sys/block"):
        if name.startswith("loop"):
            with contextlib.suppress(OSError):  # not bound
                if system.read("/sys/block/%s/loop/backing_file" % name).strip() in paths:
                    who.append("held by the loop device %s" % name)
    return who


def device_paths(system: System, dataset: str) -> List[str]:
    """Return the volume's /dev/zdN and its partitions' /dev/zdNpM; nothing if it has no device."""
    path = path_of(dataset)
    device = system.resolve(path).rsplit("/", 1)[-1] if system.is_block_device(path) else _unlinked(system, dataset)
    if not device:
        return []
    parts = [name for name in system.listdir("/sys/block/%s" % device) if re.match(device + r"p\d+\Z", name)]
    return ["/dev/" + name for name in (device, *parts)]


def processes(system: System, paths: List[str]) -> List[str]:
    """Return which processes have one of these paths, or what is below it, open: pid and command line.

    Bounded in number and in time: it is only for a message.
    """
    until = system.monotonic() + _LOOK_S
    who: List[str] = []
    for pid in [name for name in system.listdir("/proc") if name.isdigit()][:_PROCESSES]:
        if len(who) >= _SHOWN or system.monotonic() > until:
            break
        with contextlib.suppress(OSError):  # it has ended, or is a kernel thread's
            if any(_is_below(link, paths) for link in _open_in(system, "/proc/" + pid)):
                who.append("pid %s (%s)" % (pid, _command(system, pid)))
    return who


def _open_in(system: System, process: str) -> Iterator[str]:
    for link in [process + "/cwd", *("%s/fd/%s" % (process, name) for name in system.listdir(process + "/fd"))]:
        with contextlib.suppress(OSError):
            yield system.readlink(link)


def _is_below(link: str, paths: List[str]) -> bool:
    return any(link == path or link.startswith(path + "/") for path in paths)


def _command(system: System, pid: str) -> str:
    command = system.read("/proc/%s/cmdline" % pid).replace("\0", " ").strip()
    return (command or system.read("/proc/%s/comm" % pid).strip())[:100]


def _unlinked(system: System, dataset: str) -> str:
    """Return the zdN of a volume whose link udev lost."""
    for device in system.listdir("/sys/block"):
        if device.startswith("zd"):
            with contextlib.suppress(OSError):
                if system.zvol_name("/dev/" + device) == dataset:
                    return device
    return ""


def _folders_of(path: str) -> List[str]:
    """Return the folder in /sys of a device or partition."""
    name = path.rsplit("/", 1)[-1]
    disk = re.sub(r"p\d+\Z", "", name)
    return ["/sys/block/" + name if name == disk else "/sys/block/%s/%s" % (disk, name)]


def _is_one_of(system: System, source: str, paths: set[str]) -> bool:
    return source.startswith("/dev/") and (source in paths or system.resolve(source) in paths)


def mounts(system: System) -> List[List[str]]:
    """Return what is mounted: the source and the folder of each."""
    return [[_unescaped(word) for word in line.split(" ")[:2]] for line in _lines(system, "/proc/mounts")]


def _swaps(system: System) -> List[str]:
    return [_unescaped(line.split()[0]) for line in _lines(system, "/proc/swaps")[1:]]


def _lines(system: System, path: str) -> List[str]:
    try:
        return [line for line in system.read(path).splitlines() if line.count(" ") or line.count("\t")]
    except FileNotFoundError:
        return []


def _unescaped(word: str) -> str:
    """Return a word of /proc/mounts as it is: the kernel writes a blank as \\040 (fs/proc_namespace.c, mangle)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)


def _mapped(system: System, name: str) -> str:
    """Return what holds a device, by the name that it has in `holders`."""
    if name.startswith("md"):
        return "part of the RAID %s" % name
    if not name.startswith("dm-"):
        return "held by the device %s" % name
    values: Dict[str, str] = {}
    for word in ("name", "uuid"):
        with contextlib.suppress(OSError):
            values[word] = system.read("/sys/block/%s/dm/%s" % (name, word)).strip()
    uuid = re.sub(r"\Apart\d+-", "", values.get("uuid", ""))  # of a partition of what it says behind it
    kind = next((kind for prefix, kind in _MAPPED if uuid.startswith(prefix)), "device-mapper device")
    return "held by the %s %s (%s)" % (kind, values.get("name", "?"), name)


class Exports:
    """What LIO exports, read once: the storage objects of each device, the targets of each storage object."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._objects: Dict[str, List[str]] = {}  # path of a device → HBA/NAME
        for hba in lio.folders(system, lio.CORE):
            for name in lio.folders(system, "%s/%s" % (lio.CORE, hba)):
                with contextlib.suppress(OSError):  # an ALUA folder, or gone meanwhile
                    path = system.read("%s/%s/%s/udev_path" % (lio.CORE, hba, name)).strip()
                    if path:
                        self._objects.setdefault(path, []).append("%s/%s" % (hba, name))
        self._targets: Dict[str, List[str]] = {}  # HBA/NAME → folders of targets
        for target in lio.folders(system, lio.ISCSI) if self._objects else []:
            base = "%s/%s" % (lio.ISCSI, target)
            for storage in remove.luns_of(system, base):
                self._targets.setdefault(storage[len(lio.CORE) + 1 :], []).append(base)

    def storage_objects(self, dataset: str) -> List[str]:
        """Return the storage objects that export the volume, as HBA/NAME, by whichever path they name it."""
        link = path_of(dataset)
        device = self._system.resolve(link)
        return [
            name
            for path, names in self._objects.items()
            if path == link or (path.startswith("/dev/") and self._system.resolve(path) == device)
            for name in names
        ]

    def targets(self, dataset: str) -> List[str]:
        """Return the folders of the iSCSI targets with a LUN on this volume."""
        found = [target for name in self.storage_objects(dataset) for target in self._targets.get(name, [])]
        return list(dict.fromkeys(found))


def storage_objects(system: System, dataset: str) -> List[str]:
    """Return the storage objects that export the volume, as HBA/NAME."""
    return Exports(system).storage_objects(dataset)
