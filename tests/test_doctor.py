"""doctor: findings from facts, held to the files in tests/scenarios/doctor; and what only the controller can find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lunops import doctor
from lunops.agent.doctor_judge import CHECKS, judge
from lunops.agent.doctor_judge_lio import naa_prefix
from lunops.agent.doctor_machine import devnodes
from lunops.agent.doctor_pools import _pools
from lunops.errors import AgentError, DeadlineError, HostKeyError, PrivilegeError, UnreachableError
from lunops.model import Host, ItemResult, Status, Task, TaskResult

FOLDER = Path(__file__).parent / "scenarios" / "doctor"
DOCS = Path(__file__).parents[1] / "docs" / "doctor.md"
WELL: dict[str, Any] = YAML(typ="safe").load((FOLDER / "well.yml").read_text("utf-8"))
CASES = [
    case
    for path in sorted(FOLDER.glob("*.yml"))
    if path.stem != "well"
    for case in YAML(typ="safe").load(path.read_text("utf-8"))
]
HOST = Host(name="h")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_findings_are_those_of_the_scenario(case: dict[str, Any]) -> None:
    facts = {**WELL, **case.get("facts", {})}

    found = [one for one in judge(facts, case.get("pools", ["p"])) if one.severity != "ok"]

    assert [(one.id, one.severity) for one in found] == [(one["id"], one["severity"]) for one in case["expect"]]
    for one, wanted in zip(found, case["expect"], strict=True):
        text = " ".join((one.what, one.where, one.fix))
        assert [words for words in wanted.get("says", []) if str(words) not in text] == []


def test_a_head_that_is_well_has_one_word_for_each_check_and_no_other() -> None:
    found = judge(WELL, ["p"])

    assert [one.id for one in found] == [check.name for check in CHECKS]
    assert {one.severity for one in found} == {"ok"}


def test_every_finding_says_how_to_mend_it_and_has_a_scenario_and_a_place_in_the_docs() -> None:
    ids = {name for check in CHECKS for name in check.ids}
    documented = {line.split("`")[1] for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `")}

    assert {one["id"] for case in CASES for one in case["expect"]} == ids
    assert documented == ids | set(doctor.IDS)
    for case in CASES:
        for one in judge({**WELL, **case.get("facts", {})}, case.get("pools", ["p"])):
            assert one.id in ids or one.severity == "ok"
            assert one.fix or one.severity == "ok"
            assert one.where or one.severity == "ok"


def test_the_naa_identifier_is_made_of_the_first_25_hexadecimal_digits() -> None:
    assert naa_prefix("0B5E2f0c-6d1e-4c7e-9a6b-2f8f0f5f7a11") == "0b5e2f0c6d1e4c7e9a6b2f8f0"
    assert naa_prefix("xyz") == ""


def test_what_zpool_says_of_pools_is_read_with_scrubs_and_without() -> None:
    status = (
        "  pool: p\n state: ONLINE\n  scan: scrub repaired 0B in 00:00:01 with 0 errors on Tue Nov 24 23:06:20 2026\n"
        "config:\n\n\tNAME  STATE\n\terrors: a disk's name\n\nerrors: No known data errors\n\n"
        "  pool: q\n state: SUSPENDED\n  scan: resilver in progress since Tue Nov 24 23:06:20 2026\n"
        "errors: List of errors unavailable: pool I/O is currently suspended\n"
    )

    p, q = _pools("p\t100\t50\t50\tONLINE\nq\t-\t-\t-\tSUSPENDED\n", status)

    assert p["scrubbed_at"] == pytest.approx(1795561580, abs=15 * 3600)  # in the head's own zone
    assert (p["errors"], p["free"]) == ("No known data errors", 50)
    assert (q["scrubbed_at"], q["size"], q["health"]) == (None, 0, "SUSPENDED")
    assert q["errors"].startswith("List of errors unavailable")


def test_the_names_that_multipath_leaves_alone_are_read_as_it_prints_them() -> None:
    text = (
        'defaults {\n\tverbosity 2\n}\nblacklist {\n\tdevice {\n\t\tvendor "SGI"\n\t\tdevnode "x"\n\t}\n'
        '\tdevnode "!^(sd[a-z]|dasd[a-z]|nvme[0-9])"\n\tdevnode ^zd  # zvols\n}\n'
        'blacklist_exceptions {\n\tproperty "(SCSI_IDENT_|ID_WWN)"\n}\n'
    )

    assert devnodes(text, "blacklist") == ["!^(sd[a-z]|dasd[a-z]|nvme[0-9])", "^zd"]
    assert devnodes(text, "blacklist_exceptions") == []


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (HostKeyError("the host key is unknown", fix="add it"), "host-key"),
        (UnreachableError("no route", fix="turn it on"), "unreachable"),
        (PrivilegeError("become was refused", fix="visudo"), "privilege"),
        (DeadlineError("nothing was heard", fix="look"), "no-answer"),
        (AgentError("there is no python3", fix="install Python 3.8 or newer there"), "python"),
        (AgentError("the agent died", fix="look"), "agent-failed"),
    ],
)
def test_what_keeps_a_head_from_being_asked_is_a_finding(error: Exception, found: str) -> None:
    def connect(_host: Host) -> doctor.Patient:
        raise error

    report = doctor.examine(HOST, connect=connect, now=lambda: 0.0)

    (one,) = report.findings
    assert (one.id, one.severity) == (found, "error")
    assert one.what == str(error).split(";")[0]
    assert one.fix
    assert doctor.exit_code([report]) == (4 if found in ("host-key", "unreachable") else 2)


class Agent:
    """A session whose doctor finds what the test says."""

    class Hello:
        def __init__(self, uid: int) -> None:
            self.uid, self.python = uid, "3.11"

    def __init__(self, *, time: float = 0.0, uid: int = 0, error: str = "", breaks: bool = False) -> None:
        self.hello = self.Hello(uid)
        self._time, self._error, self._breaks = time, error, breaks
        self.closed = False

    def run(self, task: Task) -> TaskResult:
        if self._breaks:
            raise DeadlineError("the task did not end", fix="look")
        status = Status.FAILED if self._error else Status.OK
        data = {"facts": {"time": self._time}, "findings": []}
        item = ItemResult(key="head", status=status, error=self._error, data=data)
        return TaskResult(head="h", task_id=task.id, name="", module="doctor", status=status, items=(item,))

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("agent", "found", "code"),
    [
        (Agent(time=1000.0), "", 0),
        (Agent(time=1004.0), "", 0),
        (Agent(time=1060.0), "clock", 1),
        (Agent(time=900.0), "clock", 1),
        (Agent(time=1000.0, uid=1000), "privilege", 2),
        (Agent(error="a bug"), "agent-failed", 2),
        (Agent(breaks=True), "no-answer", 2),
    ],
)
def test_the_controller_adds_what_only_it_can_see(agent: Agent, found: str, code: int) -> None:
    report = doctor.examine(HOST, connect=lambda _host: agent, now=lambda: 1000.0)

    assert [one.id for one in report.findings if one.severity != "ok"] == ([found] if found else [])
    assert doctor.exit_code([report]) == code
    assert agent.closed


def test_the_exit_code_is_of_the_worst_finding_and_both_of_a_failed_and_an_unreachable_head() -> None:
    def of(severity: str, name: str = "x") -> doctor.Report:
        return doctor.Report(head="h", findings=(doctor.Finding(id=name, severity=severity, what="w"),))

    assert doctor.exit_code([of("ok"), of("note")]) == 0
    assert doctor.exit_code([of("note"), of("warning")]) == 1
    assert doctor.exit_code([of("warning"), of("error")]) == 2
    assert doctor.exit_code([of("ok"), of("error", "unreachable")]) == 4
    assert doctor.exit_code([of("error"), of("error", "host-key")]) == 6


def test_the_text_has_the_worst_first_and_what_is_well_only_when_asked() -> None:
    findings = tuple(
        doctor.Finding(id=severity, severity=severity, what=f"a\x1b[31m {severity}", where="there", fix="mend")
        for severity in doctor.SEVERITIES
    )
    report = doctor.Report(head="h1", findings=findings)

    short = [line.text for line in doctor.lines([report])]
    long = [line.text for line in doctor.lines([report], verbose=True)]

    assert [line.split(":")[0] for line in short if line.startswith(("error", "warning", "note", "ok"))] == [
        "error",
        "warning",
        "note",
    ]
    assert any(line.startswith("ok:") for line in long)
    assert "    to mend it: mend" in short
    assert "\x1b" not in "".join(short)
    assert short[-1].split() == ["h1", ":", "error=1", "warning=1", "note=1", "ok=1"]
