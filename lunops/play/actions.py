"""The modules that lunops does itself, without a head: debug, assert, fail, set_fact, pause."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lunops.errors import TemplateError
from lunops.model import ItemResult, Json, Status
from lunops.modules.play import HELLO
from lunops.planner.expand import Wanted
from lunops.playbook.model import TaskSpec
from lunops.render import Expressions


@dataclass(frozen=True, kw_only=True)
class Action:
    """One element of a task that lunops does itself."""

    spec: TaskSpec
    wanted: Wanted
    variables: Mapping[str, Json]
    expressions: Expressions
    verbosity: int
    check: bool
    cancelled: threading.Event
    ask: Callable[[str], str]  # ask on the terminal; gives the answer

    def arg(self, name: str, default: Json = None) -> Json:
        """Return an argument as the module's schema gives it."""
        assert self.wanted.item is not None
        found = self.wanted.item.args.get(name)
        return default if found is None else found


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How it ended, and which facts it set."""

    status: Status = Status.OK
    data: Json = None
    error: str = ""
    said: Mapping[str, Json] | None = None


def perform(action: Action) -> tuple[ItemResult, Mapping[str, Json]]:
    """Do one element; return its result and the facts that it set."""
    answer = _ACTIONS[action.spec.module](action)
    assert action.wanted.item is not None
    result = ItemResult(
        key="" if action.spec.loop is None else action.wanted.item.key,
        label=action.wanted.label,
        status=answer.status,
        data=answer.data,
        error=answer.error,
    )
    return result, answer.said or {}


def _debug(action: Action) -> Answer:
    if action.arg("verbosity", 0) > action.verbosity:
        data = {"skipped_reason": "Verbosity threshold not met."}
        return Answer(status=Status.SKIPPED, data=data)
    source = action.arg("var")
    if source is None:
        assert action.wanted.item is not None
        return Answer(data={"msg": action.wanted.item.args.get("msg", HELLO)})
    name = str(source)
    text = name if "{{" in name else "{{ " + name + " }}"
    try:
        value = action.expressions.value(text, action.variables, action.spec.place("args.var"))
    except TemplateError as error:
        if not error.what.startswith("there is no"):
            raise
        value = "VARIABLE IS NOT DEFINED!"  # as in Ansible: to look must not end the play
    return Answer(data={name: value})


def _assert(action: Action) -> Answer:
    that = action.arg("that")
    conditions = that if isinstance(that, list) else [that]
    where = action.spec.place("args.that")
    for condition in conditions:
        holds = condition
        if isinstance(condition, str):
            holds = action.expressions.condition(condition, action.variables, where)
        if not holds:
            said = action.arg("fail_msg") or action.arg("msg") or "Assertion failed"
            text = said if isinstance(said, str) else "; ".join(map(str, said))
            data = {"assertion": condition, "evaluated_to": False, "msg": said}
            error = text if action.arg("quiet") else f"{text}: {condition}"
            return Answer(status=Status.FAILED, data=data, error=error)
    return Answer(data={"msg": action.arg("success_msg") or "All assertions passed"})


def _fail(action: Action) -> Answer:
    said = str(action.arg("msg", "Failed as requested from task"))
    return Answer(status=Status.FAILED, data={"msg": said}, error=said)


def _set_fact(action: Action) -> Answer:
    assert action.wanted.item is not None
    facts = dict(action.wanted.item.args)
    return Answer(data={"ansible_facts": facts}, said=facts)


def _pause(action: Action) -> Answer:
    seconds = float(action.arg("seconds") or 0) + 60 * float(action.arg("minutes") or 0)
    prompt = action.arg("prompt")
    answer = ""
    if action.check:
        return Answer(data={"user_input": answer})
    if prompt is not None and not seconds:
        answer = action.ask(str(prompt))
    else:
        action.cancelled.wait(seconds)
    if action.cancelled.is_set():
        return Answer(status=Status.FAILED, error="the run was interrupted before the pause was over")
    return Answer(data={"user_input": answer})


_ACTIONS: Mapping[str, Callable[[Action], Answer]] = {
    "debug": _debug,
    "assert": _assert,
    "fail": _fail,
    "set_fact": _set_fact,
    "pause": _pause,
}
