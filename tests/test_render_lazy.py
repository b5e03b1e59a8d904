"""Variables that hold expressions: filled in when asked for, once, wherever they were written; results stay data."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunops.errors import TemplateError
from lunops.model import Json
from lunops.render import Expressions, Lazy

HERE = "plan.yml:7, msg"


def value(source: Json, trusted: dict[str, Json], **plain: Json) -> Json:
    return Expressions().value(source, Lazy(trusted, plain, {"a": "all.yml:3"}), HERE)


def test_a_variable_may_use_one_that_is_written_later_or_elsewhere() -> None:
    assert value("{{ a }}", {"a": "{{ b }}x", "b": "{{ c }}"}, c=1) == "1x"
    assert value("{{ a }}", {"a": ["{{ b }}", {"k": "{{ b }}"}], "b": 1}) == [1, {"k": 1}]
    assert value("{{ a.l[0].y + 1 }}", {"a": {"l": "{{ rows }}"}}, rows=[{"y": 1}]) == 2


def test_a_dict_may_use_itself_and_only_what_is_asked_for_is_filled_in() -> None:
    paths = {"base": "/srv", "log": "{{ a.base }}/log", "bad": "{{ nope }}", "worse": "{{ 1 / 0 }}"}

    assert value("{{ a.log }}", {"a": paths}) == "/srv/log"
    assert value("{{ a.keys() | list | length }}", {"a": paths}) == 4
    assert value("{{ a.bad | default('none') }}", {"a": paths}) == "none"
    with pytest.raises(TemplateError, match="division by zero"):
        value("{{ a.worse | default('none') }}", {"a": paths})


def test_a_nested_dict_is_as_good_as_any_dict() -> None:
    nested = {"a": {"x": "{{ 1 }}", "y": {"z": "{{ 2 }}"}}}

    assert value("{{ a }}", nested) == {"x": 1, "y": {"z": 2}}
    assert value("{{ a | combine({'w': 3}) }}", nested) == {"x": 1, "y": {"z": 2}, "w": 3}
    assert value("{{ a is mapping and a == {'x': 1, 'y': {'z': 2}} }}", nested) is True
    assert value("{{ a | type_debug }} {{ a.y }}", nested) == "dict {'z': 2}"
    assert value("{{ a.get('x') }}{{ a.get('q', 5) }}{{ 'x' in a }}{{ a.copy().x }}", nested) == "15True1"
    assert value("{{ a | dict2items | map(attribute='key') }}", nested) == ["x", "y"]


@settings(deadline=None)  # the first example compiles
@given(st.text())
def test_braces_in_a_result_stay_braces_also_through_a_variable(data: str) -> None:
    hostile = data + "{{ 7 * 7 }}{% if %}"

    assert value("{{ a }}", {"a": "{{ r.stdout }}"}, r={"stdout": hostile}) == hostile
    assert value("{{ a }}", {"a": "-{{ r }}"}, r=hostile) == "-" + hostile
    assert value("{{ r }}", {}, r=[hostile]) == [hostile]
    assert value("{{ r }}", {"r": "trusted"}, r=hostile) == hostile, "a result is stronger"


def test_a_circle_is_named() -> None:
    with pytest.raises(TemplateError, match="'a' needs itself: a > b > c > a") as error:
        value("{{ a }}", {"a": "{{ b }}", "b": "{{ c }}", "c": "x{{ a }}"})
    assert "all.yml:3" in error.value.where
    assert error.value.where.startswith(HERE)
    for source in ({"a": {"k": "{{ a.k }}"}}, {"a": [f"{{{{ a[{n}] }}}}" for n in range(30)]}, {"a": "{{ a }}"}):
        with pytest.raises(TemplateError, match="needs itself"):
            value("{{ a }}", source)
    with pytest.raises(TemplateError, match="without end"):
        value("{{ a }}", {"a": {"k": "{{ a }}"}})


def test_what_is_missing_in_a_nested_variable_names_itself_the_variable_and_the_key() -> None:
    with pytest.raises(TemplateError) as error:
        value("{{ a }}", {"a": "{{ b }}!", "b": "{{ clons.x }}"}, clones=1)

    assert str(error.value) == (
        "there is no variable 'clons', which 'b' needs, which 'a' (all.yml:3) needs (plan.yml:7, msg); "
        "did you mean 'clones'?"
    )
    assert value("{{ a | default(4) }} {{ a is defined }}", {"a": "{{ nope }}"}) == "4 False"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 1 +", "syntax error"),
        ("{{ 1 | nosuch }}", "there is no filter 'nosuch'"),
        ("{{ 'x' | bool }}", "neither true nor false"),
    ],
)
def test_a_variable_that_cannot_be_filled_in_is_told_where_it_is_used_with_both_places(source: str, said: str) -> None:
    assert value("{{ 1 if true else a }}", {"a": source}) == 1
    with pytest.raises(TemplateError, match=said) as error:
        value("{{ a | default(1) }}", {"a": source})

    assert error.value.where == f"{HERE}: all.yml:3, the variable 'a'"


def test_a_variable_is_filled_in_once() -> None:
    asked: list[object] = []

    def note(given: object) -> object:
        asked.append(given)
        return given

    lazy = Lazy({"a": "{{ 1 | note }}", "b": {"k": "{{ 2 | note }}"}}, {})
    expressions = Expressions({"note": note})
    for _ in range(3):
        assert expressions.value("{{ a + b.k }}", lazy, HERE) == 3
    assert asked == [1, 2]


def test_a_list_that_a_filter_gives_can_be_used_twice() -> None:
    assert value("{{ a }}{{ a | length }}{{ a | join }}", {"a": "{{ [1, 2] | map('string') }}"}) == "['1', '2']212"


def test_the_heads_of_other_variables_are_filled_in_with_their_own() -> None:
    expressions = Expressions()
    other = Lazy({"a": "{{ me }}!"}, {"me": "h2"}, None, expressions)

    assert expressions.value("{{ hostvars['h2'].a }}", Lazy({}, {"hostvars": {"h2": other}, "me": "h1"}), HERE) == "h2!"


def test_variables_without_expressions_to_fill_them_in_say_so() -> None:
    with pytest.raises(TypeError, match="filled in by the Expressions"):
        Lazy({"a": "{{ 1 }}"}, {})["a"]


def test_it_is_a_mapping_of_all_names() -> None:
    lazy = Lazy({"a": "{{ nope }}", "b": 1}, {"b": 2, "c": 3})

    assert list(lazy) == ["a", "b", "c"]
    assert len(lazy) == 3
    assert lazy["b"] == 2
    assert "nope" not in lazy
    assert repr(lazy) == "<3 variables>"


def test_five_hundred_heads_with_ten_tasks_are_filled_in_within_a_second() -> None:
    trusted: dict[str, Json] = {f"v{number}": f"{{{{ w{number} }}}}-x" for number in range(60)}
    trusted |= {f"w{number}": f"value{number}" for number in range(60)}
    trusted["large"] = [{"n": number} for number in range(5000)]
    expressions = Expressions()
    begun = time.process_time()
    for head in range(500):
        for task in range(10):
            lazy = Lazy(trusted, {"inventory_hostname": f"h{head}", "item": task})
            args = {"a": "{{ v1 }}/{{ inventory_hostname }}", "b": "{{ large[7].n }}", "c": "plain"}
            expressions.value(args, lazy, HERE)
            expressions.condition("item > 3 and v3 != 'x'", lazy, HERE)
    assert time.process_time() - begun < 1
