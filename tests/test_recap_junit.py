"""The JUnit file: read by a parser, and of the structure that CI systems take (Jenkins' junit-10.xsd)."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given

from lunops.model import ItemResult, RunResult, Status, TaskResult, Times
from lunops.recap import junit
from tests import recap_support as support

# Of junit-10.xsd, as far as lunops writes it: attributes (those needed with a !), and what may stand inside.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name!", "tests!", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"},
    "testcase": {"name!", "time", "classname", "status", "assertions"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}
INSIDE = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase", "system-out", "system-err", "properties"},
    "testcase": {"skipped", "error", "failure", "system-out", "system-err"},
}


def check(element: ElementTree.Element) -> None:
    """Hold an element, and what is in it, to the structure."""
    allowed = ATTRIBUTES[element.tag]
    assert set(element.keys()) <= {name.removesuffix("!") for name in allowed}
    assert {name.removesuffix("!") for name in allowed if name.endswith("!")} <= set(element.keys())
    for name in {"tests", "failures", "errors", "skipped"} & set(element.keys()):
        assert int(element.attrib[name]) >= 0
    if "time" in element.attrib:
        assert float(element.attrib["time"]) >= 0
    for inner in element:
        assert inner.tag in INSIDE.get(element.tag, set())
        check(inner)


def case(status: Status, name: str = "n", **words: object) -> TaskResult:
    return TaskResult(head="jbod-01", task_id="1", name=name, module="m", status=status, **words)  # type: ignore[arg-type]


def parsed(*tasks: TaskResult) -> ElementTree.Element:
    result = RunResult(plan="p.yml", check=False, tasks=tasks, heads=("jbod-01",), total_s=2.5)
    return ElementTree.fromstring(junit(result))


@given(support.results)
def test_it_is_well_formed_and_of_the_known_structure_whatever_the_results_hold(result: RunResult) -> None:
    text = junit(result)
    root = ElementTree.fromstring(text.encode("utf-8"))

    check(root)
    cases = list(root.iter("testcase"))
    assert int(root.attrib["tests"]) == len(cases) == len(result.tasks)
    assert int(root.attrib["failures"]) == len(list(root.iter("failure")))
    assert int(root.attrib["errors"]) == len(list(root.iter("error")))
    assert sum(int(suite.attrib["skipped"]) for suite in root) == len(list(root.iter("skipped")))
    names = [(suite.attrib["name"], each.attrib["classname"], each.attrib["name"]) for suite in root for each in suite]
    assert all(len(list(each)) <= 2 for each in cases)
    assert len(names) == len(cases)


def test_each_status_has_its_element_and_what_was_ignored_or_rescued_has_passed() -> None:
    root = parsed(
        case(Status.OK),
        case(Status.CHANGED),
        case(Status.FAILED, error="broken", fix="mend"),
        case(Status.UNREACHABLE, error="away"),
        case(Status.SKIPPED),
        case(Status.UNKNOWN),
        case(Status.FAILED, is_ignored=True),
        case(Status.UNREACHABLE, is_rescued=True),
    )

    kinds = [[inner.tag for inner in each if inner.tag != "system-out"] for each in root.iter("testcase")]
    assert kinds == [[], [], ["failure"], ["error"], ["skipped"], ["skipped"], [], []]
    failure = next(root.iter("failure"))
    assert failure.attrib == {"message": "broken", "type": "failed"}
    assert "to mend it: mend" in (failure.text or "")
    assert root.attrib["time"] == "2.500"


def test_plays_are_suites_and_a_name_that_comes_twice_is_told_apart() -> None:
    times = Times(total_s=1.25)
    root = parsed(*(case(Status.OK, play=play, times=times) for play in ("a", "b", "a")))

    assert [(suite.attrib["name"], suite.attrib["tests"], suite.attrib["time"]) for suite in root] == [
        ("a", "2", "2.500"),
        ("b", "1", "1.250"),
    ]
    assert [each.attrib["name"] for each in root[0]] == ["n", "n (2)"]


def test_the_place_and_the_changes_stand_in_the_output() -> None:
    item = ItemResult(key="tank/a", status=Status.CHANGED, changes=("zfs clone tank/g@1 tank/a\x00\x1b<&>",))
    root = parsed(case(Status.CHANGED, where="plan.yml:3:5", items=(item,)))

    output = next(root.iter("system-out")).text or ""
    assert output.startswith("plan.yml:3:5\n")
    assert "zfs clone tank/g@1 tank/a\\x00\\x1b<&>" in output


def test_what_failed_is_said_in_one_line_with_the_number_of_the_others() -> None:
    bad = tuple(ItemResult(key=key, status=Status.FAILED, error=f"no {key}") for key in "abc")
    root = parsed(replace(case(Status.FAILED), items=bad))

    assert next(root.iter("failure")).attrib["message"] == "no a (and 2 more items)"
