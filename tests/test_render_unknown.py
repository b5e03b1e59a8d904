"""Values that are not known yet, and what is left out: any use is told, passing by is none."""

from __future__ import annotations

import copy

import pytest

from lunops.errors import NotYetKnownError, TemplateError
from lunops.model import Json
from lunops.render import OMIT, Expressions, Lazy, Templates, Unknown

HERE = "plan.yml:7, msg"
WHY = "task 'look' (plan.yml:3) was not run in check mode"


def value(source: Json, **variables: object) -> Json:
    return Expressions().value(source, {"u": Unknown("u", WHY), "d": {"u": Unknown("d.u")}, **variables}, HERE)


USES = (
    """
u | u.stdout | u['rc'] | u[0] | u() | u.run() | u + 1 | 1 + u | u * 2 | 2 * u | -u | u ** 2 | u ~ 'x' | not u | u and 1
u == 1 | 1 == u | u != 1 | u < 1 | u in [1] | 1 in u | u if u else 1 | [u] | {'k': u} | dict(k=u) | [u] == [1] | d
u.name | u.why | u._held | u.trip() | 'x'[u:] | [1][u] | range(u) | '%s' % u | '{}'.format(u) | d.u | d.u.x | 'x' ~ [u]
""".replace("\n", " | ")
    .strip(" |")
    .split(" | ")
)
FILTERED = (
    """
u|default(1); u|default(1, true); u|d(1); u|mandatory; u|string; u|list; u|int; u|length; u|to_json; u|json; u|join
u|type_debug; u|ternary(1, 2); [u]|first; [u]|string; [u]|join; [u]|map('default', 1); [u]|map(attribute='x'); u|items
[u]|select('defined'); [u]|unique; [u]|union([1]); [u]|flatten; [{'k': u}]|combine; {'k': u}|dict2items; [u, 2]|sort
1|default(2, u)|list and u; '%s'|format(u); [1]|zip([u]); u|regex_search('x'); 'x'|regex_search(u); u|pool; u|ipaddr
u is defined; u is undefined; u is none; u is not none; u is mapping; u is string; u is failed; u is changed
u is sameas u; 1 is in(u); u is match('x'); [u] is contains(1); [u] is all; u is truthy; u is ip
""".replace("\n", "; ")
    .strip("; ")
    .split("; ")
)


@pytest.mark.parametrize("expression", [*USES, *FILTERED])
def test_any_use_of_what_is_not_known_says_so(expression: str) -> None:
    with pytest.raises(NotYetKnownError) as error:
        value("{{ " + expression + " }}")

    assert error.value.name in ("u", "d.u")
    assert error.value.where == HERE


@pytest.mark.parametrize(
    "source", ["x{{ u }}", "{% for x in u %}{% endfor %}", "{% if u %}{% endif %}", "{{ 1 }}{{ u }}"]
)
def test_a_text_and_a_statement_use_it_too(source: str) -> None:
    with pytest.raises(NotYetKnownError, match="'u' is not known yet: task 'look'"):
        value(source)


@pytest.mark.parametrize("source", ["u", "u.rc == 0", "u is defined", "u is not failed", "true and u"])
def test_a_condition_lets_it_through(source: str) -> None:
    with pytest.raises(NotYetKnownError) as error:
        Expressions().condition(source, {"u": Unknown("u", WHY)}, HERE)

    assert (error.value.name, error.value.why, error.value.where) == ("u", WHY, HERE)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{{ 1 if true else u }}", 1),
        ("{{ true or u }}", True),
        ("{{ false and u }}", False),
        ("{{ 1 | default(u) }}", 1),
        ("{{ true | ternary(1, u) }}", 1),
        ("{{ [u, 1] | length }}", 2),
        ("{{ [u, 1][1] }}", 1),
        ("{{ {'k': u, 'l': 2}.l }}", 2),
        ("{% if false %}{{ u }}{% endif %}x", "x"),
        ("{{ d is defined }}", True),
    ],
)
def test_what_does_not_use_it_passes_it_by(source: str, found: Json) -> None:
    assert value(source) == found


def test_it_is_the_same_through_a_nested_variable_and_in_a_template_file() -> None:
    with pytest.raises(NotYetKnownError, match="'u' is not known"):
        Expressions().value("{{ a | default(1) }}", Lazy({"a": "{{ u.stdout }}"}, {"u": Unknown("u")}), HERE)
    with pytest.raises(NotYetKnownError, match="'u' is not known"):
        Templates({"t": "{{ u }}"}).render("t", {"u": Unknown("u")})


def test_it_can_be_copied_with_the_variables_that_it_is_in() -> None:
    unknown = Unknown("u")

    assert copy.deepcopy({"k": [unknown]})["k"][0] is unknown
    assert copy.copy(unknown) is unknown


def test_the_error_keeps_its_parts_when_a_place_is_added() -> None:
    error = NotYetKnownError("u", WHY, fix="wait").at("b").at("a")

    assert (error.name, error.why, error.where, error.fix) == ("u", WHY, "a: b", "wait")
    assert str(error) == f"'u' is not known yet: {WHY} (a: b); wait"


def test_what_is_omitted_is_left_out_of_dicts_and_lists() -> None:
    source = {"a": "{{ nope | default(omit) }}", "b": ["{{ omit }}", 1], "c": {"d": "{{ omit }}"}}

    assert value(source) == {"b": [1], "c": {}}
    assert value("{{ {'a': omit, 'b': [omit, 1]} }}") == {"b": [1]}
    assert value("{{ nope | default(omit) }}") is OMIT
    assert copy.deepcopy(OMIT) is OMIT
    with pytest.raises(TemplateError, match="let it stand alone"):
        value("x{{ omit }}")
