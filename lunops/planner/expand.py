"""Fill in one task for one head: its loop unrolled, its conditions asked, its arguments made into items.

The same is done twice: before any connection is opened, where what a run learns is `Unknown`, and when the task is
due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lunops.errors import InputError, LunopsError, NotYetKnownError, PlaybookError, TemplateError
from lunops.model import Item, Json
from lunops.modules import MODULES, Context
from lunops.playbook.model import Loop, TaskSpec
from lunops.render import OMIT, Expressions

_LABEL_MOST = 200

View = Callable[[Mapping[str, Json]], Mapping[str, Json]]  # more variables → all that the task sees with them


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One element of a task's loop, or the task itself: what is to be done for it, or why nothing is."""

    place: int  # in the loop
    element: Json = None
    label: str = ""
    more: Mapping[str, Json]  # the loop's variables
    item: Item | None = None  # None: skipped
    skipped_by: str = ""  # the condition that does not hold
    delegate: str = ""  # the head that does it, where that is another one


Contexts = Callable[[str], Context]  # the name of the head that does it (empty: the task's own) → what items need


def expand(spec: TaskSpec, view: View, contexts: Contexts, expressions: Expressions) -> Iterator[Wanted]:
    """Give the elements of a task on one head, in order; raises `InputError` and `NotYetKnownError`.

    An element is made when it is asked for, so that a `set_fact` sees what the one before it has set.
    """
    for place, (element, more) in enumerate(loop(spec, view, expressions)):
        yield one(spec, view, contexts, expressions, place, element, more)


def loop(spec: TaskSpec, view: View, expressions: Expressions) -> Sequence[tuple[Json, Mapping[str, Json]]]:
    """Return the elements of a task's loop with the variables that they bring; one of nothing where it has none."""
    if spec.loop is None:
        return [(None, {})]
    try:
        return elements(spec.loop, view({}), expressions, spec.place("loop"))
    except (TemplateError, NotYetKnownError) as error:
        if spec.when and _never(spec, view, expressions):
            return []  # as in Ansible: what the loop goes over may be there only where the condition holds
        if isinstance(error, TemplateError) and error.what.startswith("there is no variable"):
            near = f"{error.fix} " if error.fix.startswith("did") else ""
            fix = near + "give it with -e @FILE or -e NAME=VALUE"
            raise TemplateError(error.what, where=error.where, fix=fix) from error
        raise


def elements(
    loop: Loop, variables: Mapping[str, Json], expressions: Expressions, where: str
) -> list[tuple[Json, Mapping[str, Json]]]:
    """Return what a loop goes over, with the variables that each element brings."""
    found = expressions.value(loop.over, variables, where)
    if not isinstance(found, list):
        raise PlaybookError(
            f"the loop gives {found!r:.80}, which is no list",
            where=where,
            fix="loop over a list; over an object, write `NAME | dict2items`",
        )
    if loop.flatten:
        found = [part for each in found for part in (each if isinstance(each, list) else [each])]
    total = len(found)
    result: list[tuple[Json, Mapping[str, Json]]] = []
    for index, element in enumerate(found):
        more = {
            loop.item: element,
            "ansible_loop_var": loop.item,
            "ansible_loop": {
                "index": index + 1, "index0": index, "length": total, "first": index == 0, "last": index == total - 1,
                "allitems": found, "revindex": total - index, "revindex0": total - index - 1,
            },
        }  # fmt: skip
        if loop.index:
            more[loop.index] = index
        result.append((element, more))
    return result


def one(
    spec: TaskSpec,
    view: View,
    contexts: Contexts,
    expressions: Expressions,
    place: int,
    element: Json,
    more: Mapping[str, Json],
) -> Wanted:
    """Return what is to be done for one element."""
    at = "" if spec.loop is None else f", item {place} of the loop"
    variables = view(more)
    for condition in spec.when:
        if not expressions.condition(condition, variables, spec.place("when") + at):
            label = "" if spec.loop is None else short(element)
            return Wanted(place=place, element=element, label=label, more=more, skipped_by=condition)
    module = MODULES[spec.module]
    args: dict[str, Json] = {}
    for name, value in spec.args.items():
        filled = value if name in module.bare else expressions.value(value, variables, spec.place(f"args.{name}") + at)
        if filled is not OMIT:
            args[name] = filled
    if spec.environment and "environment" in module.args.model_fields:
        args["environment"] = expressions.value(dict(spec.environment), variables, spec.place("environment") + at)
    delegate = ""
    if spec.delegate_to:
        delegate = str(expressions.value(spec.delegate_to, variables, spec.place("delegate_to") + at))
    where = spec.place("args") + at
    try:
        item = module.item(args, replace(contexts(delegate), variables=variables), where)
    except InputError as error:
        raise (error if error.where.startswith(where) else error.at(where)) from None
    label = _label(spec, variables, expressions, element)
    return Wanted(place=place, element=element, label=label, more=more, item=item, delegate=delegate)


def _label(spec: TaskSpec, variables: Mapping[str, Json], expressions: Expressions, element: Json) -> str:
    if spec.loop is None:
        return ""
    if spec.loop.label is None:
        # What a LUN is called, its key says better than all that was given for it.
        return "" if MODULES[spec.module].fails_alone and not isinstance(element, str) else short(element)
    return short(expressions.value(spec.loop.label, variables, spec.place("loop_control")))


def short(element: Json) -> str:
    """Return an element as the output names it."""
    text = element if isinstance(element, str) else str(element)
    return text if len(text) <= _LABEL_MOST else text[: _LABEL_MOST - 1] + "…"


def _never(spec: TaskSpec, view: View, expressions: Expressions) -> bool:
    """Return whether a condition that needs no element is false."""
    for condition in spec.when:
        try:
            if not expressions.condition(condition, view({}), spec.place("when")):
                return True
        except LunopsError:
            return False
    return False


def unique(wanted: Sequence[Wanted], spec: TaskSpec, head: str) -> list[Wanted]:
    """Return the elements with keys of their own; a dataset or target that is given twice is an error."""
    alone = MODULES[spec.module].fails_alone
    first: dict[tuple[str, str], str] = {}
    found = []
    for each in wanted:
        if each.item is None:
            found.append(each)
            continue
        where = spec.place("args") + ("" if spec.loop is None else f", item {each.place} of the loop")
        names = {"dataset": each.item.key, "wwn": str(each.item.args.get("wwn", ""))} if alone else {}
        for what, name in names.items():
            if name and (other := first.setdefault((what, name), where)) != where:
                raise PlaybookError(
                    f"{spec.module} is to do the {what} {name!r} twice on {head}",
                    where=where,
                    fix=f"it is given before: {other}",
                )
        if not alone:  # a command may well be run twice; without a loop it needs no name
            key = "" if spec.loop is None else f"{each.place}: {each.label}"
            each = replace(each, item=replace(each.item, key=key))
        found.append(each)
    return found
