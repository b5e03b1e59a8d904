"""The texts that modules take besides names: paths, modes, owners, and what may be anything but a NUL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from lunops.validate import bad_value


@dataclass(frozen=True, kw_only=True)
class Fits:
    """A validator: the text fits the pattern, or the error says what it must be and how to write it."""

    pattern: str
    what: str  # what it is not, such as `an absolute path`
    fix: str

    def __call__(self, text: str) -> str:
        """Return the text; raises pydantic's error where it does not fit."""
        if re.match(self.pattern.replace(r"\z", r"\Z"), text) is None:
            shown = f"{text!r}" if len(text) < 80 else f"{text[:77]!r}…"
            raise bad_value(f"{shown} is not {self.what}", self.fix)
        return text


# A process takes no NUL in its words, and no file has one in its name.
# A lone surrogate is no character, and no UTF-8 can be made of it.
FREE = r"\A[^\x00\ud800-\udfff]*\z"
ONE_LINE = r"\A[^\x00-\x1f\x7f\ud800-\udfff]*\z"
PATH = r"\A/[^\x00-\x1f\x7f\ud800-\udfff]*\z"
OWNER = r"\A[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_-])?\z"
MODE = r"\A[0-7]{3,4}\z"
NAME = r"\A[A-Za-z_][A-Za-z0-9_]*\z"
ADDRESS = r"\A([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+)\z"  # a name, IPv4, IPv6

FreeText = Annotated[
    str, AfterValidator(Fits(pattern=FREE, what="a text without a NUL character", fix="take the NUL out"))
]
Line = Annotated[
    str, AfterValidator(Fits(pattern=ONE_LINE, what="one line of text", fix="take the control characters out"))
]
PathName = Annotated[
    str,
    Field(max_length=4095),  # PATH_MAX of linux/limits.h, less its NUL
    AfterValidator(Fits(pattern=PATH, what="an absolute path", fix="write one that begins with /, such as /etc/motd")),
]
OwnerName = Annotated[
    str,
    Field(max_length=256),
    AfterValidator(
        Fits(pattern=OWNER, what="the name of a user or group", fix="write a name, such as root, or a number")
    ),
]


def _no_number(value: object) -> object:
    """Refuse a number: YAML's 0644 is 644 to one reader and 420 to another."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise bad_value(f"a mode is text, not the number {value}", 'write it in quotes, such as "0644"')
    return value


ModeText = Annotated[
    str,
    BeforeValidator(_no_number),
    AfterValidator(
        Fits(
            pattern=MODE, what="a mode in octal digits", fix='write it as text of three or four digits, such as "0644"'
        )
    ),
]
Address = Annotated[
    str,
    Field(max_length=255),
    AfterValidator(Fits(pattern=ADDRESS, what="a host's name or address", fix="write such as 10.0.0.1 or jbod-02")),
]
EnvironmentName = Annotated[
    str,
    Field(max_length=255),
    AfterValidator(Fits(pattern=NAME, what="a variable's name", fix="use letters, digits and _, no digit first")),
]
