"""The module that waits on the head for a port or a path."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, Module
from lunops.modules.texts import Address, FreeText, PathName
from lunops.validate import Checked, bad_value

_Seconds = Annotated[float, Field(ge=0, le=24 * 3600, allow_inf_nan=False)]


class WaitFor(Checked):
    """A port or a path, and how it is to be; with neither, it just waits for `timeout`."""

    path: PathName | None = Field(default=None, description="the path")
    port: Annotated[int, Field(gt=0, lt=65536)] | None = Field(default=None, description="the port, instead of a path")
    host: Address = Field(default="127.0.0.1", description="whose port it is, as the head reaches it")
    state: Literal["started", "stopped", "present", "absent"] = Field(
        default="started", description="`started` and `present`: it is there; `stopped` and `absent`: it is not"
    )
    search_regex: FreeText | None = Field(
        default=None, description="a regular expression (Python's) that the file, or what the port says, is to have"
    )
    timeout: _Seconds = Field(default=300, description="how many seconds to wait at most")
    delay: _Seconds = Field(default=0, description="how many seconds to wait before the first look")
    sleep: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = Field(
        default=1, description="how many seconds between two looks"
    )
    connect_timeout: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = Field(
        default=5, description="how many seconds one connection may take"
    )
    msg: FreeText | None = Field(default=None, description="what to say when it did not come")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.path is not None and self.port is not None:
            raise bad_value("give one of 'path' and 'port'", "leave the other out")
        if self.search_regex is not None:
            if self.path is None and self.port is None:
                raise bad_value("'search_regex' is for a path or a port", "give one of them")
            try:
                re.compile(self.search_regex)
            except re.error as error:
                raise bad_value(
                    f"search_regex: {self.search_regex!r} is no regular expression: {error}", "mend it"
                ) from None
        return self


def _expand(args: WaitFor, context: Context) -> Item:  # noqa: ARG001 - it is the same on every head
    what = args.path or (f"{args.host}:{args.port}" if args.port else f"{args.timeout:g} s")
    values = args.model_dump(mode="json")
    texts = {name: values[name] or "" for name in ("path", "search_regex", "msg")}
    # The task's own time is reckoned from `timeout_s` of its items.
    longest_s = args.delay + args.timeout + args.connect_timeout
    return Item(key=what, args={**values, **texts, "port": args.port or 0, "timeout_s": longest_s})


WAIT_FOR: AnyModule = Module(
    name="wait_for",
    summary="wait for a port or a path",
    args=WaitFor,
    expand=_expand,
    fails_alone=False,
    is_unknown_in_check=True,
)

MODULES: tuple[AnyModule, ...] = (WAIT_FOR,)
