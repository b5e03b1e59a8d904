"""ZFS as seen and changed through zfs(8): `-Hp` output split on tabs, names given, nothing else read."""

from __future__ import annotations

import re

from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

    from lunops.agent.system import Output, System

MANAGED = "lunops:managed"  # "1": lunops made it, and may destroy it
LUN = "lunops:lun"  # the IQN that it is exported as
SERIAL = "lunops:serial"  # the unit serial of that LUN
MADE = "lunops:made"  # which run made it, so that this run may take it back
ASIDE = "lunops:aside"  # "1": it was that LUN's volume, and is kept beside the one that took its place

_MISSING = re.compile(r"cannot open '(.*)': (?:(?:dataset|snapshot) does not exist|no such pool)")
_NAMES_AT_ONCE = 500  # keeps one command's arguments far below the kernel's limit


class Found:
    """What `zfs get` says of one dataset or snapshot: property → (value, source)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.properties: Dict[str, Tuple[str, str]] = {}

    def value(self, name: str) -> str:
        """Return the property's value, `-` where it has none."""
        return self.properties.get(name, ("-", "-"))[0]

    def local(self, name: str) -> str:
        """Return the value only if it is set on this very dataset, not inherited; else the empty text."""
        value, source = self.properties.get(name, ("-", "-"))
        return value if source == "local" else ""


def observe(system: System, names: Iterable[str], properties: Iterable[str]) -> Dict[str, Found]:
    """Return those of the names that exist, with the properties asked for.

    Raises ItemError if ZFS cannot be asked; a name that is not there is only left out.
    """
    found: Dict[str, Found] = {}
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        some = wanted[start : start + _NAMES_AT_ONCE]
        output = system.run(["zfs", "get", "-Hp", "-o", "name,property,value,source", ",".join(properties), *some])
        unclear = [line for line in output.err.splitlines() if line.strip() and not _MISSING.match(line.strip())]
        if unclear or (output.code not in (0, 1)):
            raise ItemError("zfs get failed: %s" % said(output))
        for line in output.out.splitlines():
            name, property_, value, source = line.split("\t")
            found.setdefault(name, Found(name)).properties[property_] = (value, source)
    return found


def dependents(system: System, names: Iterable[str]) -> Dict[str, List[str]]:
    """Return, for each dataset that exists, the snapshots and children right below it."""
    below: Dict[str, List[str]] = {}
    for above, (name,) in list_below(system, names, ("name",)):
        below.setdefault(above, []).append(name)
    return below


def list_below(system: System, names: Iterable[str], columns: Sequence[str]) -> Iterator[Tuple[str, List[str]]]:
    """Give what stands right below datasets: the one above it, and these columns, of which the first is `name`."""
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        some = wanted[start : start + _NAMES_AT_ONCE]
        output = system.run(["zfs", "list", "-Hp", "-t", "all", "-d", "1", "-o", ",".join(columns), *some])
        unclear = [line for line in output.err.splitlines() if line.strip() and not _MISSING.match(line.strip())]
        if unclear or output.code not in (0, 1):
            raise ItemError("zfs list failed: %s" % said(output))
        for line in output.out.splitlines():
            row = line.split("\t")
            if row[0] not in some:
                yield re.split("[@/](?=[^@/]*$)", row[0])[0], row


def parents_of(name: str) -> List[str]:
    """Return the names above a dataset, the pool first."""
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def clone_command(source: str, destination: str, properties: Dict[str, str]) -> List[str]:
    """Return the argv that clones a snapshot with these properties."""
    return ["zfs", "clone", *_options(properties), source, destination]


def snapshot_command(names: List[str], properties: Dict[str, str]) -> List[str]:
    """Return the argv that takes these snapshots, of datasets in one pool, at one instant."""
    return ["zfs", "snapshot", *_options(properties), *names]


def parent_command(name: str, properties: Dict[str, str]) -> List[str]:
    """Return the argv that makes a file system that is only there to hold others."""
    return ["zfs", "create", *_options(dict(properties, canmount="off")), name]


def _options(properties: Dict[str, str]) -> List[str]:
    return [word for name in sorted(properties) for word in ("-o", "%s=%s" % (name, properties[name]))]


def must(system: System, argv: List[str], timeout_s: float = 300.0) -> Output:
    """Run a command that has to succeed; raises ItemError with what it said."""
    output = system.run(argv, timeout_s)
    if output.code != 0:
        raise ItemError("%s failed: %s" % (" ".join(argv[:2]), said(output)))
    return output


def said(output: Output) -> str:
    """Return what a failed command said, in one line."""
    text = " / ".join(line.strip() for line in (output.err or output.out).splitlines() if line.strip())
    return text or "exit code %d" % output.code


def shown(argv: List[str]) -> str:
    """Return a command as one would type it, our own marks left out."""
    words: List[str] = []
    index = 0
    while index < len(argv):
        if argv[index] == "-o" and argv[index + 1].startswith("lunops:"):
            index += 2
            continue
        words.append(argv[index])
        index += 1
    return " ".join(words)


def snapshots(system: System, names: Iterable[str]) -> Dict[str, List[Tuple[str, str]]]:
    """Return, for each dataset that exists, its snapshots as (tag, guid), the oldest first."""
    found: Dict[str, List[Tuple[str, str]]] = {}
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        some = wanted[start : start + _NAMES_AT_ONCE]
        argv = ["zfs", "list", "-Hp", "-t", "snapshot", "-d", "1", "-o", "name,guid", "-s", "createtxg"]
        output = system.run([*argv, *some])
        unclear = [line for line in output.err.splitlines() if line.strip() and not _MISSING.match(line.strip())]
        if unclear or output.code not in (0, 1):
            raise ItemError("zfs list failed: %s" % said(output))
        for line in output.out.splitlines():
            name, guid = line.split("\t")
            dataset, tag = name.split("@")
            found.setdefault(dataset, []).append((tag, guid))
    return found
