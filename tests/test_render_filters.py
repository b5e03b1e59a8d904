"""The filters and tests that are ours: what they refuse, how they say it, and that nothing else comes out of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunops.errors import TemplateError
from lunops.model import Json
from lunops.render import FILTERS, GLOBALS, TESTS, UNTAKEN, Expressions, Templates, native_environment
from tests.test_render import JSON_VALUES

HERE = "plan.yml:7, msg"
EXPRESSIONS = Expressions()
DOCS = (Path(__file__).parent.parent / "docs" / "expressions.md").read_text("utf-8")
ENVIRONMENT = native_environment()


def value(expression: str, **variables: Json) -> Json:
    return EXPRESSIONS.value("{{ " + expression + " }}", variables, HERE)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("'tank/nodes/n1@golden' | dataset", "tank/nodes/n1"),
        ("'tank/nodes/n1@golden' | snapshot", "golden"),
        ("'tank/nodes/n1@golden' | pool", "tank"),
        ("' IQN.2024-01.org.example:Node1' | iqn", "iqn.2024-01.org.example:node1"),
        ("'iqn.2024-01.org.example:n1' is iqn and 'x' is not iqn", True),
        ("'tank/x' is dataset and 'tank/x' is not snapshot and 'tank/x@1' is snapshot", True),
        ("'1.5T' | size_bytes", 1649267441664),
        ("'node-[008:011]' | expand_range", ["node-008", "node-009", "node-010", "node-011"]),
        ("node_range('n[1:2]') == ('n[1:2]' | node_range)", True),
        ("'10.0.0.1' | ipaddr", "10.0.0.1"),
        ("'10.0.0.300' | ipaddr", False),
        ("5 | ipaddr", False),
        ("['10.0.0.1', 'x', 'fd00::1'] | ipaddr", ["10.0.0.1", "fd00::1"]),
        ("['10.0.0.1', 'fd00::1'] | ipv4", ["10.0.0.1"]),
        ("['10.0.0.1', 'fd00::1'] | ipv6", ["fd00::1"]),
        ("'10.0.0.5/24' | ipaddr('network')", "10.0.0.0"),
        ("'10.0.0.5/24' | ipaddr('netmask')", "255.255.255.0"),
        ("'10.0.0.5/24' | ipaddr('prefix')", 24),
        ("'10.0.0.0/24' | ipaddr(5)", "10.0.0.5/24"),
        ("'10.0.0.0/30' | ipaddr(9)", False),
        ("'fd00::1' | ipwrap", "[fd00::1]"),
        ("['10.0.0.1', 'fd00::1'] | ipwrap", ["10.0.0.1", "[fd00::1]"]),
        ("'10.0.0.5' | ip_in('10.0.0.0/24')", True),
        ("'10.0.1.5' is ip_in('10.0.0.0/24')", False),
        ("'10.0.1.5' | ip_in('fd00::/8')", False),
        ("['10.0.0.1', 'x'] | select('ip')", ["10.0.0.1"]),
        ("'a' is ipv6 or 'fd00::1' is ipv4", False),
        ("[1, 1.5, true] | map('type_debug')", ["int", "float", "bool"]),
        ("{'b': 1, 'a': 2} | json", '{"a": 2, "b": 1}'),
        ("{'stdout': ''} is finished and {'unreachable': true} is not reachable", True),
        ("'1.2.3-rc.2' is version('1.2.3-rc.10', 'lt', version_type='semver')", True),
    ],
)
def test_a_filter_of_ours_gives(expression: str, found: Json) -> None:
    assert value(expression) == found


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("'x' | defalt(1)", "there is no filter 'defalt' (plan.yml:7, msg); did you mean 'default'?"),
        ("'x' is matchh('x')", "there is no test 'matchh' (plan.yml:7, msg); did you mean 'match'?"),
        ("1 if true else ('x' | defalt(1))", "did you mean 'default'?"),
        ("['x'] | map('uper') | list", "did you mean 'upper'?"),
        ("'x' | password_hash", "keep it in an encrypted file"),
        ("rows | json_query('a')", "use `selectattr`"),
        ("'/x' is exists", "reads no files"),
        ("lookup('env', 'HOME')", "lookup() is not for the expressions here (plan.yml:7, msg); use vars_files"),
        ("query('file', 'x')", "use vars_files"),
        ("now()", "reads no clock"),
        ("'[' | regex_search('[')", "is no regular expression: unterminated character set at position 0"),
        ("'x' | regex_replace('x', '\\2')", "is no replacement"),
        ("'x' | regex_search('x', '\\1')", "the pattern has no group"),
        ("'x' | regex_search('x', 'y')", "names no group"),
        ("'x' | regex_search('x' * 1001)", "of 1001 characters is too long"),
        ("'{' | from_json", "this is not JSON"),
        ("'NaN' | from_json", "no JSON"),
        ("{} | from_json", "it may be read already"),
        ("'a: b: c' | from_yaml", "this is not YAML"),
        ("'a: 1\u2028' | b64decode", "no text in base 64"),
        ("'x' | hash('sha265')", "did you mean 'sha256'?"),
        ("{'a': 1} | combine(5)", "5 is no dict"),
        ("{'a': 1} | combine({}, list_merge='apend')", "did you mean 'append'?"),
        ("'abc' | flatten", "is no list"),
        ("[{'k': 1}] | items2dict", "there is no 'key'"),
        ("'x' | iqn", "is not an IQN"),
        ("'n[1' | expand_range + ('n[5:1]' | expand_range)", "the end comes before the start"),
        ("'10.0.0.1' | ipaddr('netmsk')", "did you mean 'netmask'?"),
        ("'x' | ip_in('10.0.0.0/8')", "is no address"),
        ("'ten' | size_bytes", "is not a size"),
        ("'x' is version('1', '=>')", "there is no comparison '=>'"),
        ("'1.a' is version('1.2', '<')", "cannot be compared"),
        ("{}.keys", "call it with ( )"),
        ("nope | items", "there is no variable 'nope'"),
        ("nope | default(1) + nope", "there is no variable 'nope'"),
        ("'x' if false", "there is no `else`"),
    ],
)
def test_what_a_filter_or_test_cannot_take_is_an_error_with_a_remedy(expression: str, said: str) -> None:
    with pytest.raises(TemplateError) as error:
        value(expression)

    assert said in str(error.value)
    assert error.value.where.startswith(HERE)


@pytest.mark.parametrize(
    "expression",
    [
        "range(10**9)", "'x' * 10**9", "10**9 * 'x'", "[1] * 10**8", "2 ** (10**9)", "(2 ** 4000) ** 4000",
        "'x' | center(10**9)", "'x'.ljust(10**9)", "'x'.zfill(10**9)", "'%1000000000d' % 1", "'%*d' % (10**9, 1)",
        "'%1000000000d' | format(1)", "'{:1000000000}'.format(1)", "'x' | indent(10**9)", "[1] | batch(10**9, 0)",
        "range(20) | permutations", "range(1000) | product(range(1000))", "range(100) | combinations(50)",
        "[1] | to_nice_json(indent=10**9)", "''.__class__", "x._y", "[].append(1)", "{}.update({})",
        "'{0.__class__}'.format(1)", "lipsum()", "[1] | random", "'a' | attr('__class__')",
    ],
)  # fmt: skip
def test_what_would_take_all_memory_or_leave_the_sandbox_is_refused(expression: str) -> None:
    with pytest.raises(TemplateError):
        value(expression, x={"y": 1})


@pytest.mark.parametrize("expression", ["'ab' * 3", "2 ** 10", "2 ** -1", "3 * 4", "'%05d' % 7", "'{:>4}'.format(1)"])
def test_what_is_small_is_not(expression: str) -> None:
    assert value(expression) == eval(expression)


def test_a_condition_with_braces_is_told_to_leave_them_out() -> None:
    with pytest.raises(TemplateError, match="write it without"):
        EXPRESSIONS.condition("{{ x }} == 1", {"x": 1}, HERE)
    with pytest.raises(TemplateError, match="something follows the expression"):
        EXPRESSIONS.condition("x y", {"x": 1}, HERE)
    with pytest.raises(TemplateError, match="did you mean 'default'"):
        EXPRESSIONS.condition("x | defalt(1)", {"x": 1}, HERE)


def test_an_unknown_filter_in_a_template_file_names_its_line() -> None:
    with pytest.raises(TemplateError, match="did you mean 'default'") as error:
        Templates({"a.j2": "\n{{ x | defalt }}"}).render("a.j2", {})
    assert error.value.where == "a.j2:2"


@settings(deadline=None)  # the first example compiles
@given(
    st.sampled_from(sorted(ENVIRONMENT.filters)), JSON_VALUES, st.lists(JSON_VALUES, max_size=2), st.sampled_from("|?")
)
def test_any_filter_of_any_value_gives_data_or_an_error_of_ours(name: str, x: Json, args: list[Json], how: str) -> None:
    given = ", ".join(f"args[{index}]" for index in range(len(args)))
    expression = f"x | {name}({given})" if how == "|" else f"[x] | map('{name}'{given and ', '}{given})"
    try:
        json.dumps(value(expression, x=x, args=args))
    except TemplateError as error:
        assert error.where == HERE  # noqa: PT017


@settings(deadline=None)  # the first example compiles
@given(st.sampled_from([name for name in sorted(ENVIRONMENT.tests) if name.isidentifier()]), JSON_VALUES, JSON_VALUES)
def test_any_test_of_any_value_is_true_false_or_an_error_of_ours(name: str, x: Json, y: Json) -> None:
    for expression in (f"x is {name}", f"x is {name}(y)"):
        try:
            assert EXPRESSIONS.condition(expression, {"x": x, "y": y}, HERE) in (True, False)
        except TemplateError as error:
            assert error.where == HERE  # noqa: PT017


@settings(deadline=None)  # the first example compiles
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("|.'\"()[] xis%*~:,")), max_size=40))
def test_any_text_as_a_condition_is_true_false_or_an_error_of_ours(source: str) -> None:
    try:
        assert EXPRESSIONS.condition(source, {"x": {"y": [1]}}, HERE) in (True, False)
    except TemplateError as error:
        assert error.where == HERE  # noqa: PT017


def told(heading: str) -> set[str]:
    """Return the names in the first column of the table under a heading of docs/expressions.md."""
    part = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return {name.strip("` ") for row in rows for name in row.split(", ")}


def test_the_page_tells_all_filters_tests_and_functions_and_no_others() -> None:
    assert told("Filters") == set(ENVIRONMENT.filters) | {"head", "pools"}
    assert told("Tests") == {name for name in ENVIRONMENT.tests if name.isidentifier()}
    assert told("Functions") == set(ENVIRONMENT.globals) - {"lookup", "query", "q", "now", "undef"}
    assert told("What there is not") == set(UNTAKEN) | {"lookup", "query", "q", "now", "undef"}


def test_nothing_that_is_refused_is_there_and_all_of_ours_has_a_word_on_it() -> None:
    assert not set(UNTAKEN) & (set(ENVIRONMENT.filters) | set(ENVIRONMENT.tests))
    assert [name for name, each in FILTERS.items() if not each.__doc__] == []
    assert set(TESTS) <= set(ENVIRONMENT.tests)
    assert set(GLOBALS) <= set(ENVIRONMENT.globals)
