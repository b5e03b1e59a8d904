"""zfs(8) on a simulated head: the commands that change something, with OpenZFS 2.1's own words."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from lunops.agent.system import Output
from lunops.sim import properties
from lunops.sim.datasets import Dataset, Datasets, name_error, parent_name
from lunops.sim.destroying import Destroying
from lunops.sim.listing import Listing
from lunops.sim.options import CommandError, Options, misuse, unknown
from lunops.sim.properties import FILESYSTEM, SNAPSHOT, VOLUME, BadPropertyError
from lunops.sim.state import State
from lunops.sim.udev import Udev
from lunops.sim.view import View

_VERSION = "zfs-2.1.11-simulated\nzfs-kmod-2.1.11-simulated\n"
_VOLUME_REFER = 12288  # of an empty volume
_GOLDEN_SIZE = 64 << 20
_BLOCK = 8192
_GOLDEN_REFER = 9493504


class Zfs:
    """The zfs and zpool commands."""

    def __init__(self, state: State, udev: Udev) -> None:
        self._state = state
        self._udev = udev
        self._datasets = Datasets(state)
        self._listing = Listing(state)
        self._reading: Mapping[str, Callable[[Sequence[str]], str]] = {
            "zfs list": self._listing.datasets,
            "zfs get": self._listing.values,
            "zpool list": self._listing.pools,
            "zpool sync": lambda words: "",  # noqa: ARG005 - nothing waits to be written here
            "zfs version": lambda words: _VERSION,  # noqa: ARG005
            "zpool version": lambda words: _VERSION,  # noqa: ARG005
        }
        self._changing: Mapping[str, Callable[[Sequence[str]], None]] = {
            "zfs create": self._create,
            "zfs clone": self._clone,
            "zfs snapshot": self._snapshot,
            "zfs snap": self._snapshot,
            "zfs destroy": Destroying(state, udev).run,
            "zfs set": self._set,
            "zfs inherit": self._inherit,
            "zfs rename": self._rename,
            "zfs promote": self._promote,
        }

    def run(self, argv: Sequence[str]) -> Output:
        """Run one command; raises Struck if a fault strikes it."""
        kind, what = " ".join(argv[:2]), " ".join(argv)
        try:
            if kind in self._changing:
                with self._state.mutation(kind, what):
                    self._changing[kind](argv[2:])
                return Output(0, "", "")
            if kind not in self._reading:
                raise unknown(argv[0], argv[1] if len(argv) > 1 else "")
            self._state.observation(kind, what)
            return Output(0, self._reading[kind](argv[2:]), "")
        except CommandError as error:
            return Output(error.code, error.out, error.text)

    def make_pool(self, name: str, size: int) -> None:
        """Make a pool with a golden image in it; call it while changing the state."""
        self._state.do("insert into pools values (?, ?, ?)", name, size, str(random.SystemRandom().getrandbits(63)))
        self._datasets.add(name, FILESYSTEM, {})
        self._datasets.add(f"{name}/images", FILESYSTEM, {})
        golden = f"{name}/images/golden"
        self._datasets.add(golden, VOLUME, {}, volsize=_GOLDEN_SIZE, volblocksize=_BLOCK, refer=_GOLDEN_REFER)
        self._take(golden, "1", {})
        self._show(golden)

    def _create(self, words: Sequence[str]) -> None:
        options = Options("create", words, "Pnpuvsb:o:V:")
        settings = options.settings()
        name = _one_name(
            options, "missing volume argument" if options.has("V") else "missing filesystem argument", "create"
        )
        is_volume = options.has("V")
        kind = VOLUME if is_volume else FILESYSTEM
        volsize = 0
        if is_volume:
            try:
                volsize = properties.size(options.last("V"))
            except BadPropertyError as error:
                raise CommandError(f"bad volume size '{options.last('V')}': {error}") from None
        self._check_name(name)
        if "/" not in name:
            raise CommandError(f"cannot create '{name}': missing dataset name")
        if self._datasets.find(name):
            if options.has("p"):
                return
            raise CommandError(f"cannot create '{name}': dataset already exists")
        if options.has("b"):
            settings.setdefault("volblocksize", options.last("b"))
        settings = self._checked(f"cannot create '{name}'", settings, kind, is_new=True)
        block = int(settings.pop("volblocksize", "8192"))
        volsize = -(-volsize // block) * block
        if is_volume and not options.has("s"):
            settings.setdefault("refreservation", str(volsize))
        self._parents(name, make=options.has("p"))
        if is_volume and not options.has("s") and volsize > View(self._state).available(name):
            raise CommandError(f"cannot create '{name}': out of space")
        if not options.has("n"):
            if is_volume:
                self._datasets.add(name, kind, settings, volsize=volsize, volblocksize=block, refer=_VOLUME_REFER)
            else:
                self._datasets.add(name, kind, settings)
            self._show(name)

    def _clone(self, words: Sequence[str]) -> None:
        options = Options("clone", words, "o:p")
        settings = options.settings()
        if not options.words:
            raise misuse("missing source dataset argument", "clone")
        if len(options.words) == 1:
            raise misuse("missing target dataset argument", "clone")
        if len(options.words) > 2:
            raise misuse("too many arguments", "clone")
        source, name = options.words
        if "@" not in source:
            raise CommandError(f"cannot open '{source}': missing '@' delimiter in snapshot name")
        snapshot = self._datasets.find(source)
        if snapshot is None:
            raise CommandError(f"cannot open '{source}': dataset does not exist")
        if options.has("p") and self._datasets.find(name):
            return
        self._check_name(name)
        self._parents(name, make=options.has("p"))
        settings = self._checked(f"cannot create '{name}'", settings, VOLUME if snapshot.volsize else FILESYSTEM)
        if self._datasets.find(name):
            raise CommandError(f"cannot create '{name}': dataset already exists")
        if source.split("/")[0].split("@")[0] != name.split("/")[0]:
            raise CommandError(f"cannot create '{name}': source and target pools differ")
        self._datasets.add(
            name,
            VOLUME if snapshot.volsize else FILESYSTEM,
            settings,
            origin=source,
            volsize=snapshot.volsize,
            volblocksize=snapshot.volblocksize,
            refer=snapshot.refer,
        )
        self._show(name)

    def _snapshot(self, words: Sequence[str]) -> None:
        options = Options("snapshot", words, "ro:")
        if not options.words:
            raise misuse("missing snapshot argument", "snapshot")
        for word in options.words:
            base, at, tag = word.partition("@")
            if not at:
                raise misuse("", "snapshot")
            one = self._datasets.find(base)
            if one is None:
                raise misuse(f"cannot open '{base}': dataset does not exist", "snapshot")
            wrong = name_error(word, is_snapshot=True)
            if wrong:
                raise CommandError(f"cannot create snapshot '{word}': {wrong}")
            for each in self._with_children(one) if options.has("r") else [one]:
                self._take(each.name, tag, options.settings())

    def _take(self, dataset: str, tag: str, settings: Mapping[str, str]) -> None:
        name = f"{dataset}@{tag}"
        one = self._datasets.find(dataset)
        if one is None:
            raise CommandError(f"cannot open '{dataset}': dataset does not exist")
        if self._datasets.find(name):
            raise CommandError(f"cannot create snapshot '{name}': dataset already exists")
        self._datasets.add(
            name,
            SNAPSHOT,
            self._checked(f"cannot create snapshot '{name}'", settings, SNAPSHOT),
            volsize=one.volsize,
            volblocksize=one.volblocksize,
            refer=one.refer,
        )

    def _with_children(self, one: Dataset) -> list[Dataset]:
        children = [child for child in self._datasets.below(one.name) if child.type != SNAPSHOT]
        return [one, *(each for child in children for each in self._with_children(child))]

    def _set(self, words: Sequence[str]) -> None:
        options = Options("set", words, "")
        if len(options.words) < 2:
            raise misuse("missing arguments", "set")
        settings = dict(word.split("=", 1) for word in options.words if "=" in word)
        for name in [word for word in options.words if "=" not in word]:
            one = self._datasets.find(name)
            if one is None:
                raise CommandError(f"cannot open '{name}': dataset does not exist")
            checked = self._checked(
                f"cannot set property for '{name}'", settings, one.type, volblocksize=one.volblocksize
            )
            for key, value in checked.items():
                self._datasets.set(name, key, value)
            if "volmode" in checked:
                self._udev.vanish(name)
                self._show(name)

    def _inherit(self, words: Sequence[str]) -> None:
        options = Options("inherit", words, "rS")
        if len(options.words) < 2:
            raise misuse("missing dataset argument" if options.words else "missing property argument", "inherit")
        key = properties.full_name(options.words[0])
        native = properties.NATIVE.get(key)
        if native is None and not properties.is_user(key):
            raise misuse(f"invalid property '{key}'", "inherit")
        if native is not None and not native.inherits:
            raise CommandError(f"'{key}' property cannot be inherited")
        for name in options.words[1:]:
            if self._datasets.find(name) is None:
                raise CommandError(f"cannot open '{name}': dataset does not exist")
            self._datasets.unset(name, key)

    def _rename(self, words: Sequence[str]) -> None:
        options = Options("rename", words, "fpur")
        if len(options.words) != 2:
            raise misuse(
                "missing target dataset argument" if options.words else "missing source dataset argument", "rename"
            )
        old, new = options.words
        one = self._datasets.find(old)
        if one is None:
            raise CommandError(f"cannot open '{old}': dataset does not exist")
        self._check_name(new, is_snapshot=one.type == SNAPSHOT)
        if one.type != SNAPSHOT:
            self._parents(new, make=options.has("p"))
        if self._datasets.find(new):
            raise CommandError(f"cannot rename '{old}': dataset already exists")
        self._datasets.move(old, new)

    def _promote(self, words: Sequence[str]) -> None:
        name = _one_name(Options("promote", words, ""), "missing clone filesystem argument", "promote")
        one = self._datasets.find(name)
        if one is None:
            raise CommandError(f"cannot open '{name}': dataset does not exist")
        if not one.origin:
            raise CommandError(f"cannot promote '{name}': not a cloned filesystem")
        parent = self._datasets.find(one.origin.split("@")[0])
        origin = self._datasets.find(one.origin)
        if parent is None or origin is None:
            raise CommandError(f"cannot promote '{name}': dataset does not exist")
        moved = [each for each in self._datasets.below(parent.name) if each.type == SNAPSHOT and each.txg <= origin.txg]
        for snapshot in moved:
            self._datasets.move(snapshot.name, f"{name}@{snapshot.name.split('@')[1]}")
        self._state.do("update datasets set origin = ? where name = ?", parent.origin, name)
        self._state.do(
            "update datasets set origin = ? where name = ?", f"{name}@{origin.name.split('@')[1]}", parent.name
        )

    def _show(self, name: str) -> None:
        """Give a volume its device, unless its volmode says that it has none."""
        one = self._datasets.find(name)
        if one is not None and one.type == VOLUME and View(self._state).value(one, "volmode")[0] != "none":
            self._udev.appear(name)

    def _check_name(self, name: str, *, is_snapshot: bool = False) -> None:
        wrong = name_error(name, is_snapshot=is_snapshot)
        if wrong:
            raise CommandError(f"cannot create '{name}': {wrong}")

    def _parents(self, name: str, *, make: bool) -> None:
        """See that the parents are there and are file systems, making them if asked to."""
        above = parent_name(name)
        if not above:
            return
        one = self._datasets.find(above)
        if one is None and "/" not in above:
            raise CommandError(f"cannot create '{name}': no such pool '{above}'")
        if one is None and not (make and "/" in above):
            pool = name.split("/")[0]
            missing = f"no such pool '{pool}'" if self._datasets.find(pool) is None else "parent does not exist"
            raise CommandError(f"cannot create '{name}': {missing}")
        if one is None:
            self._parents(above, make=True)
            self._datasets.add(above, FILESYSTEM, {})
        elif one.type != FILESYSTEM:
            raise CommandError(f"cannot create '{name}': parent is not a filesystem")

    def _checked(
        self, what: str, settings: Mapping[str, str], kind: str, *, is_new: bool = False, volblocksize: int = 8192
    ) -> dict[str, str]:
        try:
            return {
                properties.full_name(key): properties.checked(
                    key, value, kind, is_new=is_new, volblocksize=volblocksize
                )
                for key, value in settings.items()
            }
        except BadPropertyError as error:
            raise CommandError(f"{what}: {error}") from None


def _one_name(options: Options, missing: str, command: str) -> str:
    if not options.words:
        raise misuse(missing, command)
    if len(options.words) > 1:
        raise misuse("too many arguments", command)
    return options.words[0]
