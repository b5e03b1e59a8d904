"""The filters, tests and native values agree with what Ansible has answered, or differ for a reason that is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.errors import InputError, TemplateError
from lunops.model import Json
from lunops.render import Expressions, Lazy
from lunops.yaml_source import read

PATH = Path(__file__).parent / "scenarios" / "filters.yml"
RECORDED = read(PATH.read_text("utf-8"), PATH.name, InputError).value
EXPRESSIONS = Expressions()


def answer(expression: str) -> Json:
    """Return what we say, or the type of error."""
    try:
        return EXPRESSIONS.value(expression, Lazy(RECORDED["variables"], {}), "filters.yml")
    except TemplateError:
        return TemplateError


def wanted(case: dict[str, Json]) -> Json:
    if "because" in case:
        return TemplateError if case.get("ours_fails") else case["ours"]
    return TemplateError if case.get("fails") else case["ansible"]


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["expression"][:60])
def test_an_expression_gives_what_ansible_gives(case: dict[str, Json]) -> None:
    found, expected = answer(case["expression"]), wanted(case)

    assert found == expected
    assert type(found) is type(expected), "1 is not true, and 1.0 not 1"


def test_a_difference_is_one_and_has_its_reason() -> None:
    marked = [case for case in RECORDED["cases"] if {"ours", "ours_fails", "because"} & case.keys()]

    assert len(RECORDED["cases"]) >= 200
    assert 0 < len(marked) < 10
    for case in marked:
        assert case["because"]
        assert wanted(case) != (TemplateError if case.get("fails") else case["ansible"]), case["expression"]
