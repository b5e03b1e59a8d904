"""What stands in a saved plan, and what is said of a file that is none. Reading and writing files is not done here."""

from __future__ import annotations

import json
from typing import Final, Literal

from pydantic import Field

from lunops.errors import SavedPlanError
from lunops.model import Json
from lunops.validate import Checked, check, in_one

FORMAT: Final = 1  # to be raised whenever what stands in it, or what it means, changes
_ANEW: Final = "make the plan anew with lunops plan"

Status = Literal["ok", "changed", "skipped", "unknown", "failed", "unreachable"]
Properties = dict[str, str]  # of a dataset; or a digest for each part of a target


class SavedOptions(Checked):
    """The options that decide what is run, as they were given."""

    plan: str
    inventory: list[str]
    limit: str | None = None
    extra_vars: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    skip_tags: list[str] = Field(default_factory=list)
    start_at_task: str = ""
    force_handlers: bool = False
    user: str | None = None
    become: bool = False
    become_user: str = ""


class SavedItem(Checked):
    """What the check run said of one item."""

    key: str
    label: str = ""
    status: Status
    changes: list[str] = Field(default_factory=list)
    error: str = ""


class SavedTask(Checked):
    """What the check run said of one task on one head."""

    id: str
    name: str
    module: str
    play: str = ""
    where: str = ""
    status: Status
    items: list[SavedItem] = Field(default_factory=list)
    error: str = ""


class HeadState(Checked):
    """What of a head the plan is about, as it was: null is for what was not there."""

    datasets: dict[str, Properties | None] = Field(default_factory=dict)
    targets: dict[str, Properties | None] = Field(default_factory=dict)


class SavedPlan(Checked):
    """The whole file."""

    lunops_plan: int = FORMAT
    version: str  # of lunops
    made: str  # when, in UTC
    folder: str  # where lunops was run: the options' paths are seen from there
    options: SavedOptions
    digests: dict[str, str]  # of every file that was read → its SHA-256
    heads: dict[str, list[SavedTask]]
    states: dict[str, HeadState]


def to_text(plan: SavedPlan) -> str:
    """Return the file's text; raises `SavedPlanError` where a name cannot be written."""
    text = json.dumps(plan.model_dump(), indent=1, ensure_ascii=False) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SavedPlanError(
            f"a name in it is not UTF-8 and cannot be saved: {error.object[error.start : error.end]!r}",
            fix="rename the file, or leave the plan out and use lunops run",
        ) from error
    return text


def from_bytes(data: bytes, where: str) -> SavedPlan:
    """Return what was saved; raises `SavedPlanError` for anything that is no saved plan of this format."""
    try:
        value: Json = json.loads(data.decode("utf-8"))
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        what = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise SavedPlanError(f"this is not a saved plan: {what}", where=where, fix=_ANEW) from None
    if not isinstance(value, dict) or "lunops_plan" not in value:
        raise SavedPlanError("this is not a saved plan", where=where, fix="name the FILE of lunops plan -o FILE")
    if value["lunops_plan"] != FORMAT or isinstance(value["lunops_plan"], bool):
        raise SavedPlanError(
            f"this plan has the format {str(value['lunops_plan'])[:40]!r}, and this lunops reads {FORMAT}",
            where=where,
            fix=f"{_ANEW} of this version",
        )
    found, problems = check(SavedPlan, value)
    if found is None:
        what, fix = in_one(problems)
        raise SavedPlanError(f"this saved plan is damaged: {what}", where=where, fix=fix or _ANEW)
    if "\0" in json.dumps(found.options.model_dump(), ensure_ascii=False).replace("\\u0000", "\0"):
        raise SavedPlanError("this saved plan is damaged: an option holds a NUL", where=where, fix=_ANEW)
    return found
