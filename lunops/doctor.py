"""Ask every head how it is: what its agent finds, and what keeps it from being asked, as findings of one kind.

What the findings of a head mean is judged where its facts are (`lunops.agent.doctor_judge`); here come those that
only the controller can have: of the connection, and of the clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lunops.errors import (
    AgentError,
    DeadlineError,
    HeadError,
    HostKeyError,
    LunopsError,
    PrivilegeError,
    UnreachableError,
    WedgedError,
)
from lunops.model import Host, Item, Json, Status, Task, TaskResult
from lunops.recap import Line, title

OK, NOTE, WARNING, ERROR = SEVERITIES = ("ok", "note", "warning", "error")
HOST_KEY, UNREACHABLE, PRIVILEGE, PYTHON, SILENT, AGENT, WEDGED, CLOCK = IDS = (
    *("host-key", "unreachable", "privilege", "python", "no-answer", "agent-failed", "wedged", "clock"),
)
_OF_ERRORS = (
    (HostKeyError, HOST_KEY),
    (UnreachableError, UNREACHABLE),
    (PrivilegeError, PRIVILEGE),
    (DeadlineError, SILENT),
    (WedgedError, WEDGED),
    (AgentError, AGENT),
)
_AWAY = (HOST_KEY, UNREACHABLE)
_CLOCK_S = 5.0
_TASK_S = 300.0
_STYLES = {OK: Status.OK, NOTE: Status.SKIPPED, WARNING: Status.CHANGED, ERROR: Status.FAILED}


class Hello(Protocol):
    """How an agent introduced itself."""

    @property
    def python(self) -> str:
        """Its Python's version."""

    @property
    def uid(self) -> int:
        """Whom it runs as."""


class Patient(Protocol):
    """What doctor needs of a session; `lunops.connections.Session` is one."""

    @property
    def hello(self) -> Hello:
        """How the agent introduced itself."""

    def run(self, task: Task) -> TaskResult:
        """Do a task; raises `HeadError` when its outcome is unknown."""

    def close(self) -> None:
        """End the session."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found on a head, or that all is well with one part of it."""

    id: str
    severity: str
    what: str
    where: str = ""
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found on one head."""

    head: str
    findings: tuple[Finding, ...]
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def worst(self) -> str:
        """The severity of the worst finding."""
        return max((one.severity for one in self.findings), key=SEVERITIES.index, default=OK)

    def count(self, severity: str) -> int:
        """Return how many findings are as severe."""
        return sum(one.severity == severity for one in self.findings)


def examine_all(
    hosts: Sequence[Host], *, connect: Callable[[Host], Patient], now: Callable[[], float], forks: int = 8
) -> tuple[Report, ...]:
    """Examine every head, `forks` at once; `now` is this machine's wall clock."""
    waiting = list(reversed(hosts))
    found: dict[str, Report] = {}
    bugs: list[Exception] = []

    def work() -> None:
        while waiting:
            try:
                host = waiting.pop()
            except IndexError:  # another took the last one
                return
            try:
                found[host.name] = examine(host, connect=connect, now=now)
            except Exception as error:
                bugs.append(error)

    # Daemons: Ctrl-C must end the program even while a head does not answer.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(max(1, forks), len(hosts)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bugs:
        raise bugs[0]
    return tuple(found[host.name] for host in hosts)


def examine(host: Host, *, connect: Callable[[Host], Patient], now: Callable[[], float]) -> Report:
    """Examine one head; an error is a finding."""
    args = {"pools": list(host.pools), "fail_on": "never"}
    task = Task(id="01:doctor", name="doctor", module="doctor", items=(Item(key="head", args=args),), timeout_s=_TASK_S)
    try:
        session = connect(host)
    except HeadError as error:
        return Report(head=host.name, findings=(of_error(error, host, starting=True),))
    try:
        findings = list(_of_hello(host, session.hello))
        begun = now()
        result = session.run(task)
        ended = now()
    except HeadError as error:
        return Report(head=host.name, findings=(*findings, of_error(error, host)))
    finally:
        session.close()
    item = result.items[0]
    if item.status.is_bad or not isinstance(item.data, dict):
        failed = WedgedError if result.wedged else AgentError
        return Report(head=host.name, findings=(*findings, of_error(failed(item.error, fix=item.fix), host)))
    findings += of_clock(begun, float(item.data["facts"]["time"]), ended)
    findings += [Finding(**one) for one in item.data["findings"]]
    return Report(head=host.name, findings=tuple(findings), facts=item.data["facts"])


def of_error(error: LunopsError, host: Host, *, starting: bool = False) -> Finding:
    """Return the finding for what kept a head from being examined."""
    found = next((name for kind, name in _OF_ERRORS if isinstance(error, kind)), AGENT)
    if found == AGENT and starting and "Python 3.8" in error.fix:
        found = PYTHON
    return Finding(id=found, severity=ERROR, what=error.what, where=error.where or host.name, fix=error.fix)


def _of_hello(host: Host, hello: Hello) -> Iterator[Finding]:
    if hello.uid != 0 and host.connection != "sim":
        yield Finding(
            id=PRIVILEGE,
            severity=ERROR,
            what=f"the agent runs as uid {hello.uid}: it can neither read all nor change anything",
            where=host.name,
            fix="set the host variable become=true, and let sudo on the head give root",
        )
        return
    yield Finding(id="connection", severity=OK, what=f"reached over {host.connection}, Python {hello.python}")


def of_clock(begun: float, head: float, ended: float) -> Iterator[Finding]:
    """Give what the head's clock, read between two looks at ours, has to be told of."""
    seconds = head - begun if head < begun else max(0.0, head - ended)
    if abs(seconds) > _CLOCK_S:
        yield Finding(
            id=CLOCK,
            severity=WARNING,
            what=f"its clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the controller's",
            where="clock",
            fix="let both follow NTP (timedatectl set-ntp true; chronyc tracking)",
        )
    else:
        yield Finding(id=CLOCK, severity=OK, what="its clock agrees with the controller's")


def exit_code(reports: Sequence[Report]) -> int:
    """Return 0 for nothing worse than notes, 1 for warnings, 2 for errors, 4 for a head not reached, 6 for both."""
    code = 0
    for report in reports:
        away = any(one.id in _AWAY for one in report.findings)
        errors = any(one.severity == ERROR and one.id not in _AWAY for one in report.findings)
        code |= (4 if away else 0) | (2 if errors else 0)
    return code or int(any(report.worst == WARNING for report in reports))


def as_json(reports: Sequence[Report]) -> Json:
    """Return all reports as a JSON value."""
    return {
        "exit_code": exit_code(reports),
        "heads": {
            report.head: {
                "worst": report.worst,
                "findings": [vars(one) for one in report.findings],
                "facts": dict(report.facts),
            }
            for report in reports
        },
    }


def lines(reports: Sequence[Report], *, verbose: bool = False) -> Iterator[Line]:
    """Give the text: each head's findings, the worst first, and a recap; what is well only if `verbose`."""
    for report in reports:
        yield title(f"HEAD [{report.head}]")
        shown = [one for one in report.findings if verbose or one.severity != OK]
        for one in sorted(shown, key=lambda one: -SEVERITIES.index(one.severity)):
            yield from _finding_lines(one)
        if not shown:
            yield Line(text=f"ok: all {report.count(OK)} checks", status=Status.OK)
        yield Line(text="")
    yield title("DOCTOR RECAP")
    width = max((len(report.head) for report in reports), default=0)
    for report in reports:
        counts = "  ".join(f"{severity}={report.count(severity):<4}" for severity in reversed(SEVERITIES))
        yield Line(text=f"{report.head:<{width}} : {counts}".rstrip(), status=_STYLES[report.worst])


def _finding_lines(one: Finding) -> Iterator[Line]:
    style = _STYLES[one.severity]
    yield Line(text=f"{one.severity}: {one.id}: {_clean(one.what)}", status=style)
    if one.where:
        yield Line(text=f"    where: {_clean(one.where)}", status=style)
    if one.fix:
        yield Line(text=f"    to mend it: {_clean(one.fix)}", status=style)


def _clean(text: str) -> str:
    """Return the text in one line, what would steer a terminal shown as its code: it may be a head's own words."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
