"""How much a volume reserves of its pool, and how the reservation follows its size, as OpenZFS 2.1 does it."""

from __future__ import annotations

from lunops.sim import properties
from lunops.sim.datasets import Dataset, Datasets
from lunops.sim.options import CommandError
from lunops.sim.properties import VOLUME
from lunops.sim.state import State
from lunops.sim.view import View

_INDIRECT = 1 << 17  # DN_MAX_INDBLKSHIFT
_PER_LEVEL = 1 << (17 - 7)  # DNODES_PER_LEVEL


def reserved(volsize: int, block: int) -> int:
    """Return what a volume without `-s` reserves: its size, and room for its metadata (zvol_volsize_to_reservation)."""
    blocks = volsize // block
    indirect = 7
    while blocks > 1:
        blocks = -(-blocks // _PER_LEVEL)
        indirect += blocks
    return volsize + indirect * 2 * _INDIRECT


def follow(state: State, one: Dataset, wanted: dict[str, str], given: dict[str, str]) -> None:
    """Complete what is to be set on a dataset: `refreservation=auto`, and the reservation of a resized volume.

    `wanted` has the values as zfs keeps them, `given` as they were typed. Raises CommandError if there is no space.
    """
    view = View(state)
    if one.type == VOLUME:
        now, volsize = int(view.value(one, "refreservation")[0]), int(wanted.get("volsize", one.volsize))
        follows = volsize != one.volsize and now == reserved(one.volsize, one.volblocksize)
        if given.get("refreservation") == "auto" or (follows and "refreservation" not in wanted):
            wanted["refreservation"] = str(reserved(volsize, one.volblocksize))
    for name in ("reservation", "refreservation"):
        before = int(view.value(one, name)[0]) if one.type in properties.NATIVE[name].kinds else 0
        if int(wanted.get(name, before)) - before > view.available(one.name):
            raise CommandError(f"cannot set property for '{one.name}': size is greater than available space")


def check_new(state: State, name: str, volsize: int, block: int) -> None:
    """Raise CommandError if there is no space to reserve for a new volume."""
    if reserved(volsize, block) > View(state).available(name):
        raise CommandError(f"cannot create '{name}': out of space")


def inherit(state: State, name: str, key: str) -> None:
    """Take a property's own value away."""
    if Datasets(state).find(name) is None:
        raise CommandError(f"cannot open '{name}': dataset does not exist")
    native = properties.NATIVE.get(key)
    if native is not None and not native.inherits:
        if native.is_readonly or native.is_once:
            raise CommandError(f"{key} property is read-only")
        lines = [f"'{key}' property cannot be inherited"]
        if native.is_size and key != "volsize":
            lines += [
                f"use 'zfs set {key}=none' to clear",
                f"use 'zfs inherit -S {key}' to revert to received value",
            ]
        raise CommandError("\n".join(lines))
    Datasets(state).unset(name, key)
