"""The keywords that a play, a block or an import hands down to the tasks in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from lunops.model import Json
from lunops.playbook.model import KEEP, STOP, UNDO
from lunops.playbook.notes import Notes
from lunops.playbook.values import choice, conditions, environment, flag, number, seconds, tags, text, texts, variables

_Read = Callable[[Notes, Json, str], Json]
# Of these the one nearest to the task holds; each by its field of a TaskSpec.
_NEAREST: Final[Mapping[str, tuple[str, _Read]]] = {
    "become": ("become", flag),
    "become_user": ("become_user", text),
    "check_mode": ("check_mode", flag),
    "diff": ("diff", flag),
    "ignore_errors": ("ignore_errors", flag),
    "ignore_unreachable": ("ignore_unreachable", flag),
    "any_errors_fatal": ("any_errors_fatal", flag),
    "no_log": ("no_log", flag),
    "run_once": ("run_once", flag),
    "delegate_to": ("delegate_to", text),
    "notify": ("notify", texts),
    "throttle": ("throttle", partial(number, least=0, most=10_000, whole=True)),
    "timeout": ("timeout_s", partial(seconds, least=0.001)),
    "on_failure": ("on_failure", partial(choice, known=(KEEP, UNDO, STOP))),
}
OF_PLAY: Final = tuple(key for key in _NEAREST if key not in ("run_once", "delegate_to", "notify"))
KEYS: Final = ("when", "tags", "vars", "environment", *_NEAREST)


@dataclass(frozen=True, kw_only=True)
class Inherited:
    """What holds for a task because of where it stands."""

    when: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    variables: Mapping[str, Json] = field(default_factory=dict)
    environment: Mapping[str, Json] = field(default_factory=dict)
    nearest: Mapping[str, Json] = field(default_factory=dict)  # by the field of a TaskSpec
    where: Mapping[str, str] = field(default_factory=dict)  # key, or KEY.NAME → FILE:LINE:COLUMN

    def below(self, notes: Notes, value: Mapping[str, Json]) -> Inherited:
        """Return what holds below a block, import or task with these keywords; values that are wrong are noted."""
        places = {key: notes.where(key) for key in KEYS if key in value}
        own = {field_name: read(notes, value[key], key) for key, (field_name, read) in _NEAREST.items() if key in value}
        more = conditions(notes, value["when"], "when") if "when" in value else ()
        for number_, _ in enumerate(more):
            place = ("when", number_) if isinstance(value["when"], list) else ("when",)
            places[f"when.{len(self.when) + number_}"] = notes.where(*place)
        named = {}
        for key, read_names in (("vars", variables), ("environment", environment)):
            named[key] = read_names(notes, value[key], key) if key in value else {}
            places |= {f"{key}.{name}": notes.where(key, name) for name in named[key]}
        if isinstance(value.get("notify"), list):
            places |= {f"notify.{index}": notes.where("notify", index) for index in range(len(value["notify"]))}
        return Inherited(
            when=(*self.when, *more),
            tags=self.tags | (tags(notes, value["tags"], "tags") if "tags" in value else frozenset()),
            variables={**self.variables, **named["vars"]},
            environment={**self.environment, **named["environment"]},
            nearest={**self.nearest, **own},
            where={**self.where, **places},
        )
