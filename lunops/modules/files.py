"""The modules for files of a head: put one there, make folders and links, look."""

from __future__ import annotations

import base64
import json
import shlex
import warnings
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from lunops.errors import BadValueError
from lunops.model import Item, Json
from lunops.modules.base import AnyModule, Context, Module, template_variables
from lunops.modules.texts import Line, ModeText, OwnerName, PathName
from lunops.validate import Checked, bad_value

MOST_BYTES: Final = 5 << 20  # it travels in the item, and is held in memory on both ends
_Number = Annotated[int, Field(ge=0, lt=2**32)]


class _Owned(Checked):
    """What every path may have."""

    owner: OwnerName | _Number | None = Field(default=None, description="the user that it belongs to")
    group: OwnerName | _Number | None = Field(default=None, description="the group that it belongs to")
    mode: ModeText | None = Field(default=None, description='its permission bits, such as `"0644"`, in quotes')


with warnings.catch_warnings():
    # Ansible's name of the argument, which hides a method that pydantic has given up.
    warnings.filterwarnings("ignore", message='Field name "validate"')

    class _Put(_Owned):
        """What copy and template share."""

        dest: PathName = Field(description="where to: a file, or a folder that is there")
        backup: bool = Field(default=False, description="keep the old file beside it, with the time in its name")
        validate: Line | None = Field(  # type: ignore[assignment]
            default=None, description="a command that must end with 0 before it is put in place; `%s` is the new file"
        )
        force: bool = Field(default=True, description="`false`: leave a file that is there as it is")

        @model_validator(mode="after")
        def _command(self) -> Self:
            if self.validate is not None and "%s" not in str(self.validate):
                raise bad_value(f"validate: {self.validate!r} does not say where the file goes", "write %s there")
            return self

    class Copy(_Put):
        """A file of this machine, or a content, and where on the head it is to be."""

        src: Line | None = Field(default=None, description="a file beside the playbook, or in `files/` there")
        content: Json = Field(default=None, description="what is to be in it, instead of src; what is no text, as JSON")

        @model_validator(mode="after")
        def _one(self) -> Self:
            if (self.src is None) == (self.content is None):
                raise bad_value("give one of 'src' and 'content'", "such as `src: motd`, or `content: text`")
            return self

    class Template(_Put):
        """A template of this machine, and where on the head it is to be, filled in."""

        src: Line = Field(description="a template (`.j2`) beside the playbook, or in `templates/` there")


class File(_Owned):
    """A path, and what is to be there."""

    path: PathName = Field(description="the path")
    state: Literal["file", "directory", "link", "absent", "touch"] | None = Field(
        default=None,
        description="`file` and none: it must be there; `directory` and `link` make one, `touch` sets its time",
    )
    src: Line | None = Field(default=None, description="where a link leads")
    force: bool = Field(
        default=False, description="a link: in spite of what it leads to missing, or a file in its place"
    )
    recurse: bool = Field(
        default=False,
        description="`directory`: owner, group and mode of all below it, too; `absent`: with all that is in it",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.src is not None) != (self.state == "link") and not (self.src is not None and self.state is None):
            what = "a link needs 'src', where it leads" if self.src is None else f"'src' is not for {self.state}"
            raise bad_value(what, "give src with state: link, and only there")
        if self.src == "":
            raise bad_value("src: a link leads somewhere", "give a path")
        if self.recurse and self.state not in ("directory", "absent"):
            raise bad_value("'recurse' is for state: directory or absent", "leave it out")
        if self.state == "absent" and (self.owner, self.group, self.mode) != (None, None, None):
            raise bad_value("what is absent has no owner, group or mode", "leave them out")
        return self


class Stat(Checked):
    """A path to look at."""

    path: PathName = Field(description="the path")
    follow: bool = Field(default=False, description="look at what a link leads to")
    get_checksum: bool = Field(default=True, description="tell the SHA-1 of a file")


def _owned(args: _Owned) -> dict[str, Json]:
    return {"owner": args.owner, "group": args.group, "mode": args.mode or ""}


def _put(args: _Put, data: bytes, name: str) -> Item:
    if len(data) > MOST_BYTES:
        raise BadValueError(
            f"{args.dest} would have {len(data)} bytes, more than the {MOST_BYTES} that travel in a task",
            fix="bring a volume with zfs_send, and a big file with a tool for that (scp, rsync)",
        )
    command = str(args.validate or "")
    try:
        shlex.split(command)
    except ValueError as error:
        raise BadValueError(
            f"validate: {command!r} cannot be split into words: {error}", fix="close the quotes"
        ) from None
    return Item(
        key=args.dest,
        args={
            "content": base64.b64encode(data).decode(),
            "dest": args.dest,
            "name": name,
            **_owned(args),
            "backup": args.backup,
            "validate": command,
            "force": args.force,
        },
    )


def _copy(args: Copy, context: Context) -> Item:
    if args.src is None:
        return _put(args, _bytes(args.content), "")
    if context.files is None:
        raise BadValueError(f"src: there is no folder to look for {args.src!r} in", fix="give content instead")
    return _put(args, context.files.read(args.src), PurePosixPath(args.src).name)


def _bytes(content: Json) -> bytes:
    if isinstance(content, bool):
        raise BadValueError(f"content: {content!r} is no text", fix="put it in quotes")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadValueError(
            f"content: it is no Unicode text: {error}", fix="put what is no text into a file, and give src"
        ) from None


def _template(args: Template, context: Context) -> Item:
    variables = template_variables(context, {})
    text = context.templates.render(args.src, variables)
    return _put(args, text.encode(), PurePosixPath(args.src).name.removesuffix(".j2"))


def _file(args: File, context: Context) -> Item:  # noqa: ARG001 - it is the same on every head
    return Item(
        key=args.path,
        args={
            "path": args.path,
            "state": args.state or "",
            "src": args.src or "",
            **_owned(args),
            "force": args.force,
            "recurse": args.recurse,
        },
    )


def _stat(args: Stat, context: Context) -> Item:  # noqa: ARG001
    return Item(key=args.path, args={"path": args.path, "follow": args.follow, "checksum": args.get_checksum})


COPY: AnyModule = Module(name="copy", summary="put a file on the head", args=Copy, expand=_copy, fails_alone=False)
TEMPLATE: AnyModule = Module(
    name="template", summary="put a filled-in template on the head", args=Template, expand=_template, fails_alone=False
)
FILE: AnyModule = Module(
    name="file", summary="have a file, folder or link, or not", args=File, expand=_file, fails_alone=False
)
STAT: AnyModule = Module(name="stat", summary="tell what stands at a path", args=Stat, expand=_stat, fails_alone=False)

MODULES: tuple[AnyModule, ...] = (COPY, TEMPLATE, FILE, STAT)
