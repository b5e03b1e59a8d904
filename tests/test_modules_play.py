"""The modules that lunops does itself: what they take, and what the engine gets of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lunops.errors import InputError
from lunops.inventory import parse
from lunops.modules import MODULES, Context
from lunops.render import Templates

HOST = parse("jbod-01 connection=sim", Path("inv")).hosts["jbod-01"]


def args(module: str, given: Any) -> Any:
    return MODULES[module].item(given, Context(host=HOST, templates=Templates({})), "plan.yml:3:5").args


@pytest.mark.parametrize("module", ["assert", "debug", "fail", "meta", "pause", "set_fact"])
def test_they_need_no_head_and_their_failure_takes_the_head_out_of_the_play(module: str) -> None:
    assert (MODULES[module].on_head, MODULES[module].fails_alone) == (False, False)


def test_what_is_an_expression_is_named_as_such_so_that_nobody_fills_it_in_beforehand() -> None:
    assert MODULES["debug"].bare == {"var"}
    assert MODULES["assert"].bare == {"that"}


@pytest.mark.parametrize(
    ("module", "given", "taken"),
    [
        ("debug", {}, {"msg": "Hello world!", "var": None, "verbosity": 0}),
        ("debug", {"msg": {"a": [1]}, "verbosity": 2}, {"msg": {"a": [1]}, "var": None, "verbosity": 2}),
        ("debug", {"var": "x.y"}, {"msg": "Hello world!", "var": "x.y", "verbosity": 0}),
        ("assert", {"that": True}, {"that": ["true"], "fail_msg": None, "success_msg": None, "quiet": False}),
        ("assert", {"that": ["a", "b"], "msg": "no"}, {"that": ["a", "b"], "fail_msg": "no", "success_msg": None,
                                                       "quiet": False}),
        ("fail", {}, {"msg": "Failed as requested from task"}),
        ("set_fact", {"a": 1, "b": {"c": [None, True]}}, {"a": 1, "b": {"c": [None, True]}}),
        ("pause", {"seconds": 1}, {"seconds": 1, "minutes": None, "prompt": None, "echo": True}),
        ("meta", {"action": "end_host"}, {"action": "end_host"}),
    ],
)  # fmt: skip
def test_the_engine_gets_what_was_given(module: str, given: Any, taken: Any) -> None:
    assert args(module, given) == taken


@pytest.mark.parametrize(
    ("module", "given", "said"),
    [
        ("debug", {"msg": "x", "var": "y"}, "give one of 'msg' and 'var'"),
        ("debug", {"mgs": "x"}, "did you mean 'msg'"),
        ("debug", {"verbosity": "high"}, "verbosity"),
        ("assert", {}, "that: is missing"),
        ("assert", {"that": []}, "that"),
        ("assert", {"that": ["a", " "]}, "an empty text is no expression"),
        ("assert", {"that": "a", "msg": "x", "fail_msg": "y"}, "they are the same"),
        ("fail", {"msg": 1}, "msg: must be text"),
        ("set_fact", {}, "sets no variable"),
        ("set_fact", {"a-b": 1}, "'a-b' is not a variable's name"),
        ("set_fact", {"1a": 1}, "'1a' is not a variable's name"),
        ("set_fact", {"not": 1}, "a word of the expressions"),
        ("set_fact", {"a": 1, "cacheable": True}, "no facts outlive a run"),
        ("pause", {"seconds": 1, "minutes": 1}, "give one of"),
        ("pause", {"seconds": -1}, "seconds"),
        ("pause", {"seconds": float("inf")}, "seconds"),
        ("meta", {"action": "flush_handler"}, "flush_handlers"),
        ("meta", {}, "action: is missing"),
    ],
)
def test_wrong_arguments_are_refused_by_name_and_place(module: str, given: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        args(module, given)
    assert said in str(error.value)
    assert error.value.where == "plan.yml:3:5"
