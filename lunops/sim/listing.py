"""zfs list, zfs get and zpool list: what they print."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lunops.sim import properties
from lunops.sim.datasets import Dataset, Datasets, in_order
from lunops.sim.options import CommandError, Options, misuse
from lunops.sim.properties import FILESYSTEM, SNAPSHOT, VOLUME
from lunops.sim.state import State
from lunops.sim.view import View

_TYPES = {
    "filesystem": {FILESYSTEM},
    "fs": {FILESYSTEM},
    "volume": {VOLUME},
    "vol": {VOLUME},
    "snapshot": {SNAPSHOT},
    "snap": {SNAPSHOT},
    "bookmark": set[str](),
    "all": {FILESYSTEM, VOLUME, SNAPSHOT},
}
_FIELDS = ("name", "property", "value", "received", "source")
_STATUS = """\
  pool: {0}
 state: ONLINE
config:

\tNAME           STATE     READ WRITE CKSUM
\t{0}    ONLINE       0     0     0
\t  virtio-pool  ONLINE       0     0     0

errors: No known data errors
"""
_UNITS = "BKMGTPE"
_SIZES = ("used", "available", "referenced", "volsize", "volblocksize", "recordsize", "refreservation", "size", "free")


class Listing:
    """The reading commands. They see one and the same state for as long as they run."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._datasets = Datasets(state)

    def datasets(self, words: Sequence[str]) -> str:
        """Return what `zfs list` prints."""
        options = Options("list", words, "HpPrd:o:s:S:t:")
        columns = options.last("o", "name,used,available,referenced,mountpoint").split(",")
        for column in [*columns, *(value for _, value in options.several("sS"))]:
            if column not in ("name", "space") and not _is_known(column):
                raise misuse(f"bad property list: invalid property '{column}'", "list")
        with self._state.reading():
            found, errors = self._select(options, "list", options.words, {FILESYSTEM, VOLUME})
            view = View(self._state)
            for letter, column in reversed(options.several("sS")):
                key = _sorter(view, column)
                found.sort(key=key, reverse=letter == "S")
            rows = [[_cell(view, one, column) for column in columns] for one in found]
        titles = [column.upper() if column != "available" else "AVAIL" for column in columns]
        titles = ["REFER" if title == "REFERENCED" else title for title in titles]
        return _ended(_printed(options, titles, rows, [properties.full_name(column) for column in columns]), errors)

    def values(self, words: Sequence[str]) -> str:
        """Return what `zfs get` prints."""
        options = Options("get", words, "rHpd:o:t:s:")
        if not options.words:
            raise misuse("missing property argument", "get")
        fields = options.last("o", "name,property,value,source").split(",")
        if fields == ["all"]:
            fields = list(_FIELDS)
        for field in fields:
            if field not in _FIELDS:
                raise misuse(f"invalid column name '{field}'", "get")
        wanted = options.words[0].split(",")
        for name in wanted:
            if name not in ("all", "name") and not _is_known(name):
                raise misuse(f"bad property list: invalid property '{name}'", "get")
        sources = options.last("s").split(",") if options.has("s") else []
        rows = []
        with self._state.reading():
            found, errors = self._select(options, "get", options.words[1:], {FILESYSTEM, VOLUME, SNAPSHOT})
            view = View(self._state)
            for one in found:
                names = [name for word in wanted for name in (view.names(one) if word == "all" else [word])]
                for name in names:
                    value, source = view.value(one, name)
                    if sources and (source.split(" ")[0] if source != "-" else "none") not in sources:
                        continue
                    full = properties.full_name(name)
                    shown = value if options.has("p") else _short(full, value)
                    line = {"name": one.name, "property": full, "value": shown, "received": "-", "source": source}
                    rows.append([line[field] for field in fields])
        return _ended(_printed(options, [field.upper() for field in fields], rows, [""] * len(fields)), errors)

    def pools(self, words: Sequence[str]) -> str:
        """Return what `zpool list` prints."""
        options = Options("zpool list", words, "gHLpPvo:T:")
        default = "name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedupratio,health,altroot"
        columns = options.last("o", default).split(",")
        rows = []
        errors = []
        with self._state.reading():
            for name in options.words or self._datasets.pools():
                row = self._state.one("select size, guid from pools where name = ?", name)
                if row is None:
                    errors.append(f"cannot open '{name}': no such pool")
                    continue
                used = View(self._state).used(name)
                size = int(row[0])
                values = {
                    "name": name,
                    "size": str(size),
                    **dict.fromkeys(("alloc", "allocated"), str(used)),
                    "free": str(size - used),
                    **dict.fromkeys(("checkpoint", "ckpoint", "expandsize", "expandsz", "altroot"), "-"),
                    **dict.fromkeys(("fragmentation", "frag"), "0"),
                    **dict.fromkeys(("capacity", "cap"), str(used * 100 // size)),
                    **dict.fromkeys(("dedupratio", "dedup"), "1.00"),
                    "health": "ONLINE",
                    "guid": str(row[1]),
                }
                unknown = next((column for column in columns if column not in values), None)
                if unknown is not None:
                    raise misuse(f"bad property list: invalid property '{unknown}'", "zpool list")
                rows.append([values[column] for column in columns])
        text = _printed(options, [column.upper() for column in columns], rows, columns)
        if errors:  # zpool calls it a success if one pool was there
            raise CommandError("\n".join(errors), 0 if rows else 1, text)
        return text

    def sync(self, words: Sequence[str]) -> str:
        """Do what `zpool sync` does here: nothing, for every change is there at once."""
        missing = [name for name in words if name not in self._datasets.pools()]
        if missing:
            raise CommandError("\n".join(f"cannot open '{name}': no such pool" for name in missing))
        return ""

    def status(self, words: Sequence[str]) -> str:
        """Return what `zpool status` prints of pools that are well."""
        options = Options("zpool status", words, "cDegiLPpstTvxX:")
        names = options.words or self._datasets.pools()
        for name in names:
            if self._state.one("select 1 from pools where name = ?", name) is None:
                raise CommandError(f"cannot open '{name}': no such pool")
        return "\n".join(_STATUS.format(name) for name in names)

    def _select(
        self, options: Options, command: str, names: Sequence[str], types: set[str]
    ) -> tuple[list[Dataset], list[str]]:
        """Return the datasets that the options and names mean, in order, and an error for each missing one."""
        given = options.has("t")
        if given:
            types = set()
            for word in options.last("t").split(","):
                if word not in _TYPES:
                    raise misuse(f"invalid type '{word}'", command)
                types |= _TYPES[word]
        recursive = options.has("r") or options.has("d") or not names
        try:
            depth = int(options.last("d", "1000000" if recursive else "0"))
        except ValueError:
            raise misuse(f"{options.last('d')} is not a number", command) from None
        # A data set named with -t snapshot alone stands for its own snapshots (zfs 2.1: -d 1 is implied).
        snapshots_alone = given and types == {SNAPSHOT} and not recursive
        found: list[Dataset] = []
        errors = []
        for name in names or self._datasets.pools():
            one = self._datasets.find(name)
            if one is None:
                errors.append(f"cannot open '{name}': dataset does not exist")
            elif snapshots_alone and one.type != SNAPSHOT:
                found += [below for below in self._datasets.below(name) if below.type == SNAPSHOT]
            elif given and one.type not in types and (not recursive or (one.type == VOLUME and SNAPSHOT not in types)):
                errors.append(f"cannot open '{name}': operation not applicable to datasets of this type")
            else:
                self._walk(one, depth, types if given or recursive else {one.type}, found)
        return in_order(found), errors

    def _walk(self, one: Dataset, depth: int, types: set[str], found: list[Dataset]) -> None:
        if one.type in types:
            found.append(one)
        if depth > 0:
            for below in self._datasets.below(one.name):
                self._walk(below, depth - 1, types, found)


def _is_known(name: str) -> bool:
    known = properties.full_name(name) in properties.NATIVE or properties.is_user(name)
    return known or name.startswith("written@")


def _cell(view: View, one: Dataset, column: str) -> str:
    return one.name if column == "name" else view.value(one, column)[0]


def _sorter(view: View, column: str) -> Callable[[Dataset], tuple[int, str]]:
    def key(one: Dataset) -> tuple[int, str]:
        value = _cell(view, one, column)
        return (int(value), "") if value.isdigit() else (-1, value)

    return key


def _printed(options: Options, titles: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    if not options.has("p"):
        rows = [[_short(column, cell) for column, cell in zip(columns, row, strict=True)] for row in rows]
    if options.has("H"):
        return "".join("\t".join(row) + "\n" for row in rows)
    if not rows:
        return ""
    table = [titles, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(titles))]
    numeric = [column in _SIZES for column in columns]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _short(name: str, value: str) -> str:
    """Return a size as zfs shows it to people: 10M, 1.50G."""
    if name not in _SIZES or not value.isdigit():
        return value
    number, unit = float(value), 0
    while number >= 1024:
        number, unit = number / 1024, unit + 1
    if unit == 0:
        return f"{int(number)}B"
    if int(value) % 1024**unit == 0:
        return f"{int(number)}{_UNITS[unit]}"
    digits = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{digits}f}{_UNITS[unit]}"


def _ended(out: str, errors: Sequence[str]) -> str:
    if errors:
        raise CommandError("\n".join(errors), 1, out)
    return out
