"""The modules that run a command on the head: as it is, or by a shell."""

from __future__ import annotations

import shlex
from typing import Annotated, Self

from pydantic import Field, model_validator

from lunops.errors import BadValueError
from lunops.model import Item, Json
from lunops.modules.base import AnyModule, Context, Module
from lunops.modules.texts import EnvironmentName, FreeText, Line, PathName
from lunops.validate import Checked, bad_value

_SHELL = "/bin/sh"
_KEY_LENGTH = 200
Word = FreeText | int | float


class _Run(Checked):
    """What both have."""

    chdir: PathName | None = Field(default=None, description="the folder to run it in")
    creates: Line | None = Field(
        default=None, description="a path, wildcards and all: if something is there, it need not run"
    )
    removes: Line | None = Field(
        default=None, description="a path, wildcards and all: if nothing is there, it need not run"
    )
    stdin: FreeText | None = Field(default=None, description="what it reads; here, and nowhere else, give it a secret")
    stdin_add_newline: bool = Field(default=True, description="end that with a newline")
    strip_empty_ends: bool = Field(default=True, description="leave out the newlines at the end of its outputs")
    check: FreeText | Annotated[list[Word], Field(min_length=1)] | None = Field(
        default=None,
        description="a command that only looks, run beforehand and in check mode: where it ends with 0 there is "
        "nothing to do",
    )
    environment: dict[EnvironmentName, Word | bool] = Field(
        default_factory=dict, description="variables of its environment, as the keyword of the task gives them"
    )

    @model_validator(mode="after")
    def _paths(self) -> Self:
        for name in ("creates", "removes"):
            path = getattr(self, name)
            if path is not None and not path.startswith("/") and self.chdir is None:
                raise bad_value(f"{name}: {path!r} is relative to no folder", "begin it with /, or give chdir")
        return self


class Command(_Run):
    """A command and its words, run without a shell: `|`, `>`, `*`, `$X` and `&&` are words like any other."""

    cmd: FreeText | None = Field(default=None, description="the command; quotes keep words together")
    argv: Annotated[list[Word], Field(min_length=1)] | None = Field(
        default=None, description="the command as a list of its words, instead of cmd"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.cmd is None) == (self.argv is None):
            raise bad_value("give one of 'cmd' and 'argv'", "such as `command: zpool list`")
        return self


class Shell(_Run):
    """A line, or a script, for a shell."""

    cmd: FreeText = Field(description="what the shell is to do")
    executable: PathName = Field(default=_SHELL, description="the shell")


def _split(text: str, name: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadValueError(
            f"{name}: {text!r} cannot be split into words: {error}", fix="close the quotes, or give a list"
        ) from error
    if not words:
        raise BadValueError(f"{name} is empty", fix="write a command, such as zpool list")
    return words


def _words(words: list[str | int | float]) -> list[str]:
    return [str(word) for word in words]


def _probe(args: _Run, shell: str) -> list[str]:
    if args.check is None:
        return []
    if isinstance(args.check, list):
        return _words(args.check)
    return [shell, "-c", args.check] if shell else _split(args.check, "check")


def _item(args: _Run, argv: list[str], cmd: Json, shell: str) -> Item:
    text = " ".join((cmd if isinstance(cmd, str) else shlex.join(argv)).split())
    stdin = args.stdin
    if stdin is not None and args.stdin_add_newline:
        stdin += "\n"
    return Item(
        key=text[:_KEY_LENGTH],
        args={
            "argv": argv,
            "cmd": cmd,
            "chdir": args.chdir or "",
            "creates": args.creates or "",
            "removes": args.removes or "",
            "stdin": stdin or "",
            "strip_empty_ends": args.strip_empty_ends,
            "environment": {name: _value(value) for name, value in args.environment.items()},
            "check": _probe(args, shell),
        },
    )


def _value(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command(args: Command, context: Context) -> Item:  # noqa: ARG001 - it is the same on every head
    argv = _words(args.argv) if args.argv is not None else _split(args.cmd or "", "cmd")
    if not argv[0]:
        raise BadValueError("the command's first word is empty", fix="write a command, such as zpool list")
    return _item(args, argv, argv, "")


def _shell(args: Shell, context: Context) -> Item:  # noqa: ARG001
    if not args.cmd.strip():
        raise BadValueError("cmd is empty", fix="write what the shell is to do")
    return _item(args, [args.executable, "-c", args.cmd], args.cmd, args.executable)


COMMAND: AnyModule = Module(
    name="command",
    summary="run a command",
    args=Command,
    expand=_command,
    fails_alone=False,
    free_form="cmd",
    is_unknown_in_check=True,
)
SHELL: AnyModule = Module(
    name="shell",
    summary="run a line of a shell",
    args=Shell,
    expand=_shell,
    fails_alone=False,
    free_form="cmd",
    is_unknown_in_check=True,
)

MODULES: tuple[AnyModule, ...] = (COMMAND, SHELL)
