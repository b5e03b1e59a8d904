"""What describes a folder of LIO's configfs: its files, the folders in it, and what may be made there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Check = Literal["any", "bool", "number", "small", "address"]


@dataclass(frozen=True, kw_only=True)
class File:
    """One file: its first value, whether it may be read and written, and what may be written.

    `bare` files read as nothing while they have no value; the others always end their value with a newline.
    """

    value: str = ""
    readable: bool = True
    writable: bool = True
    check: Check = "any"
    least: int = 0
    most: int = 0xFFFFFFFF
    bare: bool = False


@dataclass(frozen=True, kw_only=True)
class Folder:
    """One folder: its files, the folders that come with it, and what a user may make in it.

    `name` says what it is; `maker` what kind of folder mkdir makes in it.
    """

    name: str
    files: Mapping[str, File] = field(default_factory=dict)
    folders: Mapping[str, Folder] = field(default_factory=dict)
    maker: str = ""


def files(kind: File, values: str) -> dict[str, File]:
    """Return files of one kind, from words `name=value`."""
    pairs = [word.partition("=") for word in values.split()]
    return {name: dataclasses.replace(kind, value=value) for name, _, value in pairs}


def empty(name: str, inside: str = "") -> Folder:
    return Folder(name=name, folders={word: Folder(name=word) for word in inside.split()})


TEXT = File()
BARE = File(bare=True)
SHOWN = File(writable=False)
SHOWN_BARE = File(writable=False, bare=True)
FLAG = File(check="bool")
NUMBER = File(check="number")

CHAP = {
    **files(TEXT, "userid password userid_mutual password_mutual"),
    "authenticate_target": SHOWN,
}
