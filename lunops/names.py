"""The names that reach a kernel path or a command line, each parsed once, at the border.

An `Iqn`, `Dataset`, `Snapshot`, `Portal` or `Size` in hand is valid; nothing below checks it again.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from dataclasses import dataclass
from typing import Self

from lunops.errors import BadValueError

# zfs(8): letters, digits and - _ . : (and blanks, which we refuse: they are legal, and never wanted).
_DATASET_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*\Z")
_POOL = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*\Z")
_SNAPSHOT_PART = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.:-]+\Z")
# What we name ourselves begins with a letter or digit: a word of its own in `zfs hold` must not be an option.
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*\Z")
_HOLD_TAG_MAX = 200  # zfs says "tag too long" from about 240 on, by the length of the snapshot's name
# rtslib wants a dot after the date (iqn.YYYY-MM.x.y); the kernel takes no "/" since the name is a folder.
_IQN = re.compile(r"iqn\.\d{4}-(0[1-9]|1[0-2])\.[a-z0-9-]+(\.[a-z0-9-]+)+(:[a-z0-9.:-]+)?\Z")
_ZFS_NAME_MAX = 255  # ZFS_MAX_DATASET_NAME_LEN is 256, the NUL included
_IQN_MAX = 223  # ISCSI_IQN_LEN is 224, the NUL included (iscsi_target_core.h)

# zfs(8) takes a number with a unit, and a B behind the unit, in either case (libzfs_util.c, str2shift).
_SIZE = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,19}))?(?:([BKMGTPE])|([KMGTPE])B)?\Z", re.IGNORECASE)
_UNITS = "BKMGTPE"
_SIZE_MAX = 2**63 - 1  # a volume's size is an off_t to the kernel

# Serial numbers are version 5 UUIDs in this name space, so that the same LUN keeps its identity for ever.
SERIALS = uuid.UUID("6c756e6f-7073-5e72-8a6c-000000000001")


@dataclass(frozen=True, kw_only=True, order=True)
class Dataset:
    """A ZFS file system or volume: `POOL/…/NAME`."""

    name: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the dataset named by `text`, or raise `BadValueError`."""
        if not isinstance(text, str):
            raise BadValueError(f"{text!r} is not a dataset name", fix="write it as a string, such as tank/nodes/n1")
        pool, *parts = text.split("/")
        good = bool(_POOL.match(pool)) and all(_DATASET_PART.match(part) for part in parts)
        if not good or len(text) > _ZFS_NAME_MAX:
            raise BadValueError(
                f"{text!r} is not a dataset name",
                fix="write POOL/PATH of letters, digits and - _ . : only, "
                f"each part starting with a letter or digit, {_ZFS_NAME_MAX} characters at most",
            )
        return cls(name=text)

    @property
    def pool(self) -> str:
        """The first part of the name."""
        return self.name.split("/", 1)[0]

    @property
    def parents(self) -> tuple[str, ...]:
        """The names of what stands above it, the pool first, itself left out."""
        parts = self.name.split("/")
        return tuple("/".join(parts[:end]) for end in range(1, len(parts)))

    @property
    def device(self) -> str:
        """The path under which udev links its block device, if it is a volume."""
        return f"/dev/zvol/{self.name}"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True, order=True)
class Snapshot:
    """A ZFS snapshot: `DATASET@NAME`."""

    dataset: Dataset
    tag: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the snapshot named by `text`, or raise `BadValueError`."""
        head, at, tag = text.partition("@") if isinstance(text, str) else ("", "", "")
        good = bool(at and _SNAPSHOT_PART.match(tag)) and tag not in (".", "..")  # it is a folder of .zfs/snapshot
        if not good or len(f"{text}") > _ZFS_NAME_MAX:
            raise BadValueError(
                f"{text!r} is not a snapshot name", fix="write DATASET@NAME, such as tank/images/golden@1"
            )
        return cls(dataset=Dataset.parse(head), tag=tag)

    def __str__(self) -> str:
        return f"{self.dataset}@{self.tag}"


@dataclass(frozen=True, kw_only=True, order=True)
class SnapshotTag:
    """The part of a snapshot's name behind the @."""

    name: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the tag in `text`, or raise `BadValueError`."""
        if not isinstance(text, str) or not _TAG.match(text) or len(text) > _ZFS_NAME_MAX:
            raise BadValueError(
                f"{text!r} is not the name of a snapshot",
                fix="write letters, digits and - _ . : only, a letter or digit first, such as 2024-01-31",
            )
        return cls(name=text)

    def of(self, dataset: Dataset) -> Snapshot:
        """Return the snapshot of that dataset with this tag; raises `BadValueError` where its name is too long."""
        return Snapshot.parse(f"{dataset}@{self.name}")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True, order=True)
class HoldTag:
    """The name of a hold on a snapshot."""

    name: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the tag in `text`, or raise `BadValueError`."""
        if not isinstance(text, str) or not _TAG.match(text) or len(text) > _HOLD_TAG_MAX:
            raise BadValueError(
                f"{text!r} is not the tag of a hold",
                fix=f"write letters, digits and - _ . : only, a letter or digit first, {_HOLD_TAG_MAX} at most",
            )
        return cls(name=text)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True, order=True)
class Iqn:
    """An iSCSI qualified name (RFC 3720, 3.2.6.3.1), in lower case as the kernel keeps it."""

    name: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the IQN in `text`, lower-cased, or raise `BadValueError`."""
        # ASCII before lower(): that makes a k of the Kelvin sign, so another name than the one given would be taken.
        # Blanks around it are what people paste; a line break there is not.
        name = text.strip(" ").lower() if isinstance(text, str) and text.isascii() else ""
        if len(name) > _IQN_MAX or not _IQN.match(name):
            raise BadValueError(
                f"{text!r} is not an IQN",
                fix="write iqn.YYYY-MM.DOMAIN:NAME, such as iqn.2024-01.org.example:node1, "
                f"with letters, digits and - . : only, {_IQN_MAX} characters at most",
            )
        return cls(name=name)

    def storage_object(self) -> str:
        """Return the name of the storage object behind this target.

        It is short since initiators see its first 16 bytes as the disk's model, and made of the IQN
        alone so that a target and its storage object find each other after any crash.
        """
        return "lo-" + uuid.uuid5(SERIALS, self.name).hex[:12]

    def serial(self, head: str) -> str:
        """Return the unit serial of the LUN on that head.

        The head is part of it: the same IQN on two heads is two disks, and one NAA for both would let
        multipath merge them.
        """
        return str(uuid.uuid5(SERIALS, f"{head}/{self.name}"))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True, order=True)
class LunName:
    """What a LUN is called by: its IQN, its volume, its storage object, or two of them as `lunops drift` writes it."""

    name: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the name in `text`, or raise `BadValueError`."""
        words = text.split(" ") if isinstance(text, str) else []
        try:
            if not 1 <= len(words) <= 2:
                raise BadValueError("")
            for word in words:
                Dataset.parse(word)  # whose letters those of IQNs and of storage objects are among
        except BadValueError:
            raise BadValueError(
                f"{text!r} is not the name of a LUN", fix="write its IQN or its volume, or both as lunops drift does"
            ) from None
        return cls(name=" ".join(words))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True, order=True)
class Portal:
    """An address and TCP port that a target listens on."""

    address: str
    port: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the portal in `text`: `IPv4:PORT` or `[IPv6]:PORT`; the port may be left out (3260)."""
        match = re.match(r"(\[[0-9a-fA-F:.]+\]|[0-9.]+)(?::(\d{1,5}))?\Z", text if isinstance(text, str) else "")
        try:
            if match is None:
                raise ValueError
            address = ipaddress.ip_address(match[1].strip("[]"))
            port = int(match[2] or 3260)
            if not 0 < port < 65536 or ("[" in match[1]) != (address.version == 6):
                raise ValueError
        except ValueError:
            raise BadValueError(
                f"{text!r} is not a portal", fix="write ADDRESS:PORT, such as 10.0.0.1:3260 or [fd00::1]:3260"
            ) from None
        return cls(address=f"[{address}]" if address.version == 6 else str(address), port=port)

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, kw_only=True, order=True)
class Size:
    """A number of bytes, above 0."""

    size_bytes: int

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the size in `value`: a number of bytes, or text as zfs(8) takes it, such as 512M, 1.5T, 10GB.

        Exact, where zfs goes by way of a float; a part of a byte is dropped, as zfs does. Raises `BadValueError`.
        """
        size_bytes = 0
        if isinstance(value, int) and not isinstance(value, bool):
            size_bytes = value
        elif isinstance(value, str) and value.isascii() and (match := _SIZE.match(value)):
            digits, fraction = match[1], match[2] or ""
            unit = 1 << (10 * _UNITS.index((match[3] or match[4] or "B").upper()))
            size_bytes = int(digits + fraction) * unit // 10 ** len(fraction)
        if not 0 < size_bytes <= _SIZE_MAX:
            raise BadValueError(
                f"{value!r} is not a size", fix="write a number of bytes above 0, or a number with a unit, such as 10G"
            )
        return cls(size_bytes=size_bytes)

    def __str__(self) -> str:
        """Return the shortest exact form, which reads back as the same size."""
        number, unit = self.size_bytes, 0
        while number % 1024 == 0 and unit < len(_UNITS) - 1:
            number, unit = number // 1024, unit + 1
        return f"{number}{_UNITS[unit]}" if unit else str(number)
