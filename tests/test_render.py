"""Templates and expressions: values keep their types, a missing one is named, and data never becomes a template."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunops.errors import TemplateError
from lunops.render import Expressions, Templates

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
HERE = "plan.yml:7, loop"


def value(source: object, **variables: object) -> object:
    return Expressions().value(source, variables, HERE)


def holds(expression: str, **variables: object) -> bool:
    return Expressions().condition(expression, variables, HERE)


@settings(deadline=None)  # the first example compiles
@given(JSON_VALUES)
def test_an_expression_alone_gives_the_value_itself_with_its_type(data: object) -> None:
    assert value("{{ data }}", data=data) == data
    assert value({"k": ["{{ data }}"]}, data=data) == {"k": [data]}


@settings(deadline=None)  # the first example compiles
@given(JSON_VALUES)
def test_any_value_through_the_json_filter_is_that_value_and_no_more(data: object) -> None:
    templates = Templates({"t": '{"a": {{ data | json }}, "b": [{{ data | json }}]}\n'})

    assert json.loads(templates.render("t", {"data": data})) == {"a": data, "b": [data]}


@pytest.mark.parametrize("data", [float("nan"), float("inf"), {"k": [float("-inf")]}, object(), {1, 2}])
def test_what_is_no_json_is_refused_by_the_json_filter(data: object) -> None:
    with pytest.raises(TemplateError):
        Templates({"t": "{{ data | json }}"}).render("t", {"data": data})


@settings(deadline=None)  # the first example compiles
@given(st.text(), st.text())
def test_braces_in_a_value_stay_braces(before: str, after: str) -> None:
    hostile = before + "{{ 7 * 7 }}{% for x in y %}{# #}" + after

    assert value("{{ data }}", data=hostile) == hostile
    assert value("x-{{ data }}", data=hostile) == "x-" + hostile
    assert json.loads(Templates({"t": "{{ data | json }}"}).render("t", {"data": hostile})) == hostile


def test_an_expression_within_text_gives_text() -> None:
    assert value("node-{{ n }}/{{ n + 1 }}", n=1) == "node-1/2"


@pytest.mark.parametrize("text", ["01", "1.0", "true", "[1]", "null", "1_000"])
def test_text_that_looks_like_another_type_stays_text(text: str) -> None:
    assert value("{{ data }}", data=text) == text
    assert value("{{ data }}", data={"k": text}) == {"k": text}


def test_what_filters_give_piecemeal_becomes_a_list() -> None:
    assert value("{{ rows | map(attribute='dst') }}", rows=[{"dst": "a"}, {"dst": "b"}]) == ["a", "b"]
    assert value("{{ data.items() }}", data={"k": 1}) == [["k", 1]]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ clons }}", "there is no variable 'clons' (plan.yml:7, loop); did you mean 'clones'?"),
        ("x{{ clons }}", "there is no variable 'clons'"),
        ("{{ clones.dts }}", "there is no 'dts' in it (did you mean 'dst'?)"),
        ("{{ clones['x'] }}", "there is no 'x' in it"),
        ("{{ [clons] }}", "there is no variable 'clons'"),
        ("{{ {'k': clons} }}", "there is no variable 'clons'"),
        ("{{ clons | default(other) }}", "there is no variable 'other'"),
        ("{{ clones | nosuch }}", "there is no filter 'nosuch'"),
        ("{{ 1 +", "syntax error"),
        ("{% if %}", "syntax error"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ clones.__class__ }}", "unsafe"),
        ("{{ clones.update({}) }}", "unsafe"),
        ("{{ clones.keys }}", "no data"),
        ("{{ 5 | pool }}", "not a dataset name"),
    ],
)
def test_an_expression_that_gives_nothing_is_an_error_that_says_where_and_what(source: str, said: str) -> None:
    with pytest.raises(TemplateError) as error:
        value(source, clones={"dst": "tank/x"})

    assert said in str(error.value)
    assert error.value.where == HERE


def test_the_place_of_an_expression_within_a_value_is_named() -> None:
    with pytest.raises(TemplateError) as error:
        value({"a": [1, {"b": "{{ x }}"}]})

    assert error.value.where == f"{HERE}.a[1].b"


def test_a_default_stands_in_for_what_is_missing() -> None:
    assert value("{{ item.properties | default({}) }}", item={}) == {}


def test_a_condition_is_true_or_false_and_nothing_else() -> None:
    assert holds("(item.dst | pool) in pools", item={"dst": "p1/x"}, pools=["p1"])
    assert not holds("(item.dst | pool) in pools", item={"dst": "p2/x"}, pools=["p1"])
    assert holds("'false' | bool == false")
    for expression in ("1", "''", "pools", "none", "'false'"):
        with pytest.raises(TemplateError, match="neither true nor false"):
            holds(expression, pools=["p1"])
    with pytest.raises(TemplateError, match="there is no variable 'x'"):
        holds("x")


@pytest.mark.parametrize("text", ["maybe", "", "2", "[]"])
def test_the_bool_filter_refuses_what_is_neither(text: str) -> None:
    with pytest.raises(TemplateError, match="neither true nor false"):
        value("{{ data | bool }}", data=text)


def test_an_error_in_a_template_names_its_file_and_line() -> None:
    templates = Templates({"a.j2": "line\n{% include 'b.j2' %}\n", "b.j2": "\n\n{{ missing }}\n", "c.j2": "\n{% if %}"})

    with pytest.raises(TemplateError, match="there is no variable 'missing'") as error:
        templates.render("a.j2", {})
    assert error.value.where == "b.j2:3"
    with pytest.raises(TemplateError, match="syntax error") as error:
        templates.render("c.j2", {})
    assert error.value.where == "c.j2:2"


def test_a_template_that_is_not_there_names_the_nearest() -> None:
    templates = Templates({"lun.json.j2": "", "a.j2": "{% include 'lun.j2' %}"})

    with pytest.raises(TemplateError, match=r"no template 'lun\.jsn\.j2'; did you mean 'lun\.json\.j2'"):
        templates.render("lun.jsn.j2", {})
    with pytest.raises(TemplateError, match=r"no template 'lun\.j2' \(a\.j2\)"):
        templates.render("a.j2", {})


def test_nothing_in_a_template_is_random() -> None:
    for source in ("{{ lipsum() }}", "{{ [1, 2] | random }}"):
        with pytest.raises(TemplateError):
            Templates({"t": source}).render("t", {})


@settings(deadline=None)  # the first example compiles
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("{}%#|.'\"()[] x")), max_size=60))
def test_any_source_gives_data_or_an_error_of_ours(source: str) -> None:
    place = HERE
    try:
        json.dumps(value(source, x={"y": [1]}))
    except TemplateError as error:
        place = error.where

    assert place == HERE
