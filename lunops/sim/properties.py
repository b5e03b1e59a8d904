"""ZFS properties as OpenZFS 2.1 has them: which apply to what, their defaults, and what they may be set to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

FILESYSTEM, VOLUME, SNAPSHOT = "filesystem", "volume", "snapshot"
_KINDS = {"f": FILESYSTEM, "v": VOLUME, "s": SNAPSHOT}
_NONE = str(2**64 - 1)
_USER = re.compile(r"[a-z0-9:._-]*:[a-z0-9:._-]*\Z")
_UNITS = "BKMGTPEZ"


class BadPropertyError(Exception):
    """A property cannot be set so; the text is what zfs says behind `cannot …: `."""


@dataclass(frozen=True, kw_only=True)
class Property:
    """One native property. `values` are the words it may be set to; `is_size`: a number of bytes, or `none`."""

    name: str
    kinds: frozenset[str]
    default: str = ""
    inherits: bool = False
    is_readonly: bool = False
    is_once: bool = False  # set when the dataset is made, never later
    is_size: bool = False
    values: tuple[str, ...] = ()
    shown: str = ""  # how the allowed values are called in an error, where that is not the list of them


def _read_only(names: str, kinds: str) -> list[Property]:
    return [Property(name=name, kinds=_kinds(kinds), is_readonly=True) for name in names.split()]


def _kinds(letters: str) -> frozenset[str]:
    return frozenset(_KINDS[letter] for letter in letters)


def _words(name: str, kinds: str, values: str) -> Property:
    """Return an inherited property with the words that it takes, the first of which is its default."""
    words = tuple(values.split())
    return Property(name=name, kinds=_kinds(kinds), default=words[0], inherits=True, values=words)


def _size(name: str, kinds: str, default: str = "0", *, inherits: bool = False) -> Property:
    return Property(name=name, kinds=_kinds(kinds), default=default, inherits=inherits, is_size=True)


def _text(name: str, kinds: str, default: str) -> Property:
    return Property(name=name, kinds=_kinds(kinds), default=default, inherits=True)


_COMPRESSION = (
    *("off", "on", "lzjb", "gzip", "zle", "lz4", "zstd", "zstd-fast"),
    *(f"gzip-{level}" for level in range(1, 10)),
    *(f"zstd-{level}" for level in range(1, 20)),
    *(f"zstd-fast-{level}" for level in (*range(1, 11), *range(20, 101, 10), 500, 1000)),
)
_COMPRESSION_SHOWN = (
    "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | zstd-fast | "
    "zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]"
)

# in the order of `zfs get all`
NATIVE: Mapping[str, Property] = {
    one.name: one
    for one in [
        *_read_only("type creation", "fvs"),
        *_read_only("used", "fvs"),
        *_read_only("available", "fv"),
        *_read_only("referenced compressratio", "fvs"),
        *_read_only("mounted", "f"),
        *_read_only("origin", "fv"),
        _size("quota", "f"),
        _size("reservation", "fv"),
        Property(name="volsize", kinds=_kinds("vs"), is_size=True),
        Property(name="volblocksize", kinds=_kinds("v"), default="8192", is_size=True, is_once=True),
        _size("recordsize", "f", "131072", inherits=True),
        _text("mountpoint", "f", ""),
        _text("sharenfs", "f", "off"),
        _words("checksum", "fv", "on off fletcher2 fletcher4 sha256 noparity sha512 skein edonr"),
        Property(
            name="compression",
            kinds=_kinds("fv"),
            default="off",
            inherits=True,
            values=_COMPRESSION,
            shown=_COMPRESSION_SHOWN,
        ),
        *(_words(name, "f", "on off") for name in ("atime", "devices", "exec", "setuid")),
        _words("readonly", "fv", "off on"),
        _words("zoned", "f", "off on"),
        _words("snapdir", "f", "hidden visible"),
        _words("aclmode", "f", "discard groupmask passthrough restricted"),
        _words("aclinherit", "f", "restricted discard noallow passthrough passthrough-x"),
        *_read_only("createtxg", "fvs"),
        Property(name="canmount", kinds=_kinds("f"), default="on", values=("on", "off", "noauto")),
        _words("xattr", "f", "on off dir sa"),
        _words("copies", "fv", "1 2 3"),
        *_read_only("version utf8only normalization casesensitivity", "f"),
        _words("vscan", "f", "off on"),
        _words("nbmand", "f", "off on"),
        _text("sharesmb", "f", "off"),
        _size("refquota", "f"),
        _size("refreservation", "fv"),
        *_read_only("guid", "fvs"),
        _words("primarycache", "fvs", "all none metadata"),
        _words("secondarycache", "fvs", "all none metadata"),
        *_read_only("usedbysnapshots usedbydataset usedbychildren usedbyrefreservation", "fv"),
        _words("logbias", "fv", "latency throughput"),
        *_read_only("defer_destroy userrefs", "s"),
        *_read_only("objsetid", "fvs"),
        _words("dedup", "fv", "off on verify sha256"),
        _text("mlslabel", "fvs", "none"),
        _words("sync", "fv", "standard always disabled"),
        _words("dnodesize", "f", "legacy auto 1k 2k 4k 8k 16k"),
        *_read_only("refcompressratio written", "fvs"),
        *_read_only("clones", "s"),
        *_read_only("logicalused", "fv"),
        *_read_only("logicalreferenced", "fvs"),
        _words("volmode", "fv", "default full geom dev none"),
        _size("filesystem_limit", "f", _NONE),
        _size("snapshot_limit", "fv", _NONE),
        *_read_only("filesystem_count", "f"),
        *_read_only("snapshot_count", "fv"),
        _words("snapdev", "fv", "hidden visible"),
        _words("acltype", "f", "off nfsv4 posix"),
        *(_text(name, "fvs", "none") for name in ("context", "fscontext", "defcontext", "rootcontext")),
        _words("relatime", "f", "off on"),
        _words("redundant_metadata", "fv", "all most"),
        _words("overlay", "f", "on off"),
        *_read_only("receive_resume_token", "fv"),
        Property(name="encryption", kinds=_kinds("fvs"), default="off", is_once=True),
        Property(name="keylocation", kinds=_kinds("fv"), default="none"),
        Property(name="keyformat", kinds=_kinds("fv"), default="none", is_once=True),
        Property(name="pbkdf2iters", kinds=_kinds("fv"), default="0", is_size=True, is_once=True),
        _size("special_small_blocks", "f", inherits=True),
    ]
}
_ALIASES = {
    "avail": "available",
    "refer": "referenced",
    "reserv": "reservation",
    "refreserv": "refreservation",
    "volblock": "volblocksize",
    "recsize": "recordsize",
    "compress": "compression",
    "rdonly": "readonly",
    "ratio": "compressratio",
}


def full_name(name: str) -> str:
    """Return a property's full name."""
    return _ALIASES.get(name, name)


def is_user(name: str) -> bool:
    """Return whether this is the name of a user property."""
    return bool(_USER.match(name))


def size(text: str) -> int:
    """Return the bytes in a size as zfs takes it (10M, 1.5g, 512); raises BadPropertyError."""
    match = re.match(rf"(\d+(?:\.\d+)?)(?:([{_UNITS}])(?:I?B)?)?\Z", text.upper())
    if match is None:
        raise BadPropertyError(f"bad numeric value '{text}'")
    return int(float(match[1]) * 1024 ** _UNITS.index(match[2] or "B"))


def checked(name: str, value: str, kind: str, *, is_new: bool, volblocksize: int = 8192) -> str:
    """Return the value of a settable property as zfs keeps it; raises BadPropertyError as zfs would."""
    if is_user(name):
        return value
    one = NATIVE.get(full_name(name))
    if one is None:
        raise BadPropertyError(f"invalid property '{name}'")
    if one.is_readonly or (one.is_once and not is_new):
        raise BadPropertyError(f"'{one.name}' is readonly")
    if kind not in one.kinds:
        raise BadPropertyError(f"'{one.name}' does not apply to datasets of this type")
    if one.values and value not in one.values:
        # the words in the order in which zfs has them: on before off
        words = sorted(one.values, key=lambda word: {"on": 0, "off": 1}.get(word, 2))
        raise BadPropertyError(f"'{one.name}' must be one of '{one.shown or ' | '.join(words)}'")
    if not one.is_size:
        return value
    if value in ("none", "auto") and one.name != "volsize":
        return one.default
    if value == "0" and one.name in ("quota", "refquota"):
        raise BadPropertyError("use 'none' to disable quota/refquota")
    number = size(value)
    if one.name == "volblocksize" and (number & (number - 1) or not 512 <= number <= 1 << 20):
        raise BadPropertyError("'volblocksize' must be power of 2 from 512B to 1M")
    if one.name == "volsize" and number == 0:
        raise BadPropertyError("'volsize' cannot be zero")
    if one.name == "volsize" and number % volblocksize:
        unit = f"{volblocksize // 1024}K" if volblocksize >= 1024 else str(volblocksize)
        raise BadPropertyError(f"'volsize' must be a multiple of volume block size ({unit})")
    return str(number)
