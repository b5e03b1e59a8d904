"""What reaches the terminal or the pipe: colours, signs, the order of lines, and the passing line below them."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from lunops.cli.output import Output, wants_colour
from lunops.cli.printer import Printer, connection_text
from lunops.cli.progress import Progress, clock, size
from lunops.model import Host, Item, ItemResult, RunResult, Status, Task, TaskResult
from lunops.recap import Detail, Line, Profile, Tone
from tests import recap_support as support

SECRET = "hunter2"


def task(items: int = 1, id: str = "1.1", name: str = "Make") -> Task:
    return Task(id=id, name=name, module="m", items=tuple(Item(key=str(n), args={}) for n in range(items)))


def ended(head: str, of: Task, status: Status = Status.OK, *, error: str = "") -> TaskResult:
    items = tuple(ItemResult(key=item.key, status=status) for item in of.items)
    return TaskResult(
        head=head, task_id=of.id, name=of.name, module="m", status=status, items=items if not error else (), error=error
    )


class Tty:
    """Both ends of a pseudo terminal; what was written is read in a thread, as a terminal does."""

    def __init__(self, columns: int, encoding: str = "utf-8") -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = open(theirs, "w", encoding=encoding)  # noqa: SIM115 - closed in `close`
        self._read = bytearray()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while True:
            try:
                some = os.read(self._ours, 65536)
            except OSError:  # the other end is closed
                return
            if not some:
                return
            self._read += some

    def close(self) -> str:
        self.stream.close()
        self._thread.join(10)
        os.close(self._ours)
        return self._read.decode("utf-8")


@contextmanager
def terminal(columns: int = 80) -> Iterator[tuple[Tty, list[str]]]:
    """Give a terminal, and what was written to it once it is over."""
    tty, text = Tty(columns), [""]
    try:
        yield tty, text
    finally:
        text[0] = tty.close()


def screen(text: str) -> list[str]:
    """Return the lines that stand on a terminal in the end: \\r and erase-to-the-end are done, colours left out."""
    lines = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in re.split(r"(\r|\x1b\[K)", line):
            shown = "" if part in ("\r", "\x1b[K") else shown + part
        lines.append(shown)
    return lines


@pytest.mark.parametrize(
    ("environment", "colour"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_that_want_it(environment: dict[str, str], colour: bool) -> None:
    with terminal() as (tty, _):
        assert wants_colour(tty.stream, environment) is colour
    assert not wants_colour(io.StringIO(), environment)


def test_added_lines_are_green_removed_ones_red_and_headers_cyan_on_a_terminal() -> None:
    stream = io.StringIO()
    lines = [Line(text="x", tone=tone, status=Status.FAILED) for tone in (Tone.ADDED, Tone.REMOVED, Tone.HEADER)]
    Output(stream, colour=True).lines(lines)

    assert stream.getvalue() == "\x1b[32mx\x1b[0m\n\x1b[31mx\x1b[0m\n\x1b[36mx\x1b[0m\n"


def test_every_line_and_passing_line_is_masked_and_steers_nothing() -> None:
    with terminal() as (tty, text):
        output = Output(tty.stream, colour=False, mask=lambda line: line.replace(SECRET, "****"))
        output.passing(f"pass {SECRET} \x1b[2J")
        output.lines([Line(text=f"line {SECRET} \x07")])

    assert SECRET not in text[0]
    assert text[0] == "\r\x1b[Kpass **** \\x1b[2J\r\x1b[Kline **** \\x07\r\n"


def test_a_stream_that_holds_only_ascii_gets_other_signs_and_codes_and_no_error() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Output(stream, colour=False).lines([Line(text="[a … c] |█▓| cut… é 頭")])
    stream.flush()

    assert stream.buffer.getvalue() == b"[a ... c] |#c| cut~ \\xe9 \\u982d\n"


def test_a_passing_line_is_never_wider_than_the_terminal_whatever_letters_it_holds() -> None:
    with terminal(columns=20) as (tty, text):
        output = Output(tty.stream, colour=False)
        output.passing("頭" * 30)
        output.passing("x" * 30)
        output.passing("short")

    assert [part.removeprefix("\x1b[K") for part in text[0].split("\r")[1:]] == ["頭" * 9 + " ", "x" * 19, "short"]


def test_nothing_passes_where_there_is_no_terminal_nor_while_it_is_held() -> None:
    stream = io.StringIO()
    Output(stream, colour=False).passing("gone")
    assert stream.getvalue() == ""

    with terminal() as (tty, text):
        output = Output(tty.stream, colour=False)
        output.passing("first")
        with output.held():
            output.passing("second")
            output.lines([Line(text="a question")])
        output.passing("third")
        output.lines([])

    assert "second" not in text[0]
    assert screen(text[0]) == ["a question", ""]


def test_on_a_terminal_the_progress_is_told_and_gone_before_the_next_line_and_at_the_end() -> None:
    work = task(items=4)
    with terminal() as (tty, text), Printer(Output(tty.stream, colour=True), Detail()) as printer:
        printer.play_started("Play", ("a", "b"), 1)
        printer.task_started("a", work)
        printer.item_ended("a", work, ItemResult(key="0", status=Status.OK))
        time.sleep(1.1)
        printer.progress("a", work, "1", 50 << 20, 200 << 20)
        time.sleep(0.5)
        printer.task_ended(ended("a", work))
        printer.end(RunResult(plan="p", check=False, tasks=(ended("a", work),), heads=("a", "b"), total_s=1.0))

    passed = re.findall(r"\r\x1b\[K([^\r\n]+)", text[0])
    assert "Make, 1/~8 items, 0/2 heads, 0:00, waiting for a" in passed
    assert any("[a] 1: 50.0 MiB of 200.0 MiB, 25 %" in line for line in passed)
    assert len(passed) <= 5 * 2 + 1, "at most five times a second"
    shown = screen(text[0])
    assert shown[:3] == [f"PLAY [Play] {'*' * 67}", "", f"TASK [Make] {'*' * 67}"]
    assert not any("items, 0/2 heads" in line for line in shown)


def test_lines_that_come_while_the_progress_is_written_are_all_whole() -> None:
    tasks = [task(id=f"1.{number}", name=f"T{number}") for number in range(60)]
    with terminal() as (tty, text), Printer(Output(tty.stream, colour=False), Detail()) as printer:
        printer.play_started("Play", ("a", "b"), 1)
        printer.task_started("b", task(id="1.x", name="Long"))
        for each in tasks:
            printer.task_started("a", each)
            time.sleep(0.02)
            printer.task_ended(ended("a", each))

    shown = [line for line in screen(text[0]) if line and not line.startswith(("PLAY", "TASK"))]
    assert shown == ["ok: [a] => (item=0)"] * 60
    assert "Long" in text[0]


def test_when_piped_a_run_prints_the_same_lines_and_no_progress() -> None:
    stream = io.StringIO()
    with Printer(Output(stream, colour=False), Detail()) as printer:
        printer.play_started("Play", ("a",), 1)
        printer.task_started("a", task())
        printer.progress("a", task(), "0", 1, 2)
        time.sleep(0.7)
        printer.task_ended(ended("a", task()))

    assert stream.getvalue().splitlines()[3:] == ["ok: [a] => (item=0)"]
    assert "\x1b" not in stream.getvalue()


def test_rich_is_loaded_on_a_terminal_alone() -> None:
    code = (
        "import io, sys; from lunops.cli.printer import Printer, Output; from lunops.recap import Detail\n"
        "with Printer(Output(io.StringIO(), colour=False), Detail()) as p: p.play_started('x', ('a',), 1)\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[1])


def heads(number: int) -> tuple[str, ...]:
    return tuple(f"jbod-{place:02}" for place in range(1, number + 1))


def test_many_heads_are_told_once_all_have_ended_and_also_when_the_next_task_begins() -> None:
    stream = io.StringIO()
    first, second = task(id="1.1", name="One"), task(id="1.2", name="Two")
    with Printer(Output(stream, colour=False), Detail()) as printer:
        printer.play_started("Play", heads(20), 1)
        for head in heads(20):
            printer.task_started(head, first)
        for head in heads(20)[:-1]:
            printer.task_ended(ended(head, first))
        assert "ok:" not in stream.getvalue()
        printer.task_ended(ended("jbod-20", first, Status.FAILED, error="broken"))
        assert "ok: [jbod-01 … jbod-19] (19 heads) 1 ok\n" in stream.getvalue()
        assert "fatal: [jbod-20]: FAILED!\n    error: broken\n" in stream.getvalue()
        for head in heads(19):
            printer.task_started(head, second)
            printer.task_ended(ended(head, second))
        printer.task_started("jbod-01", task(id="1.3", name="Three"))

    said = [line for line in stream.getvalue().splitlines() if line and not line.startswith("    ")]
    assert [line.partition("]")[0] for line in said] == [
        *("PLAY [Play", "TASK [One", "ok: [jbod-01 … jbod-19", "fatal: [jbod-20"),
        *("TASK [Two", "ok: [jbod-01 … jbod-19", "TASK [Three"),
    ]


def test_a_handler_is_called_so_from_its_beginning_on() -> None:
    stream = io.StringIO()
    handler = replace(task(name="Reload"), is_handler=True)
    with Printer(Output(stream, colour=False), Detail()) as printer:
        printer.task_started("a", handler)

    assert stream.getvalue().split()[:3] == ["RUNNING", "HANDLER", "[Reload]"]


def test_where_heads_are_at_different_tasks_each_result_stands_under_its_heading() -> None:
    stream = io.StringIO()
    first, second = task(id="1.1", name="One"), task(id="1.2", name="Two")
    with Printer(Output(stream, colour=False), Detail()) as printer:
        printer.play_started("Play", ("a", "b"), 1)
        printer.task_started("a", first)
        printer.task_started("b", first)
        printer.task_ended(ended("a", first))
        printer.task_started("a", second)
        printer.task_ended(ended("b", first))
        printer.task_ended(ended("a", second))

    said = [line.partition(" *")[0] for line in stream.getvalue().splitlines() if line]
    assert said[1:] == ["TASK [One]", "ok: [a] => (item=0)", "ok: [b] => (item=0)", "TASK [Two]", "ok: [a] => (item=0)"]


def test_what_waits_to_be_told_is_told_also_when_the_run_breaks() -> None:
    stream = io.StringIO()
    with suppress(ZeroDivisionError), Printer(Output(stream, colour=False), Detail()) as printer:
        printer.play_started("Play", heads(20), 1)
        printer.task_ended(ended("jbod-01", task(), Status.FAILED, error="broken"))
        raise ZeroDivisionError

    assert "fatal: [jbod-01]: FAILED!" in stream.getvalue()


def test_how_heads_are_reached_is_told_where_all_is() -> None:
    host = Host(name="a", address="10.0.0.1", port=2222, user="root", private_key=Path("id"), become=True)
    stream = io.StringIO()
    with Printer(Output(stream, colour=False), Detail.of(3), hosts={"a": host}) as printer:
        printer.play_started("Play", ("a", "b"), 1)

    assert "<a> ssh root@10.0.0.1:2222, key id, become, python3\n" in stream.getvalue()
    assert connection_text(Host(name="b", connection="sim")) == "sim, python3"


@given(support.results, support.details)
def test_nothing_but_our_own_line_ends_is_printed_whatever_the_results_hold(result: RunResult, detail: Detail) -> None:
    stream = io.StringIO()
    output = Output(stream, colour=False, mask=lambda text: text.replace(support.SECRET, "*"))
    with Printer(output, detail, profile=Profile(waterfall=True)) as printer:
        printer.play_started(result.plan, result.heads, 1)
        for each in result.tasks:
            printer.note(each.error)
            printer.retrying(each.head, each.name, 1, 3)
            support.tell(printer, each)
        printer.end(result)

    text = stream.getvalue()
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert support.SECRET not in text
    text.encode("utf-8")


def test_the_line_of_many_heads_says_how_far_they_are_how_fast_and_how_long_it_will_take() -> None:
    progress = Progress()
    progress.play(heads(10))
    work = task(items=10)
    for head in heads(4):
        progress.task_started(head, work, 0.0)
    assert progress.line(0.1) == ""
    assert progress.line(1.0) == "Make, 0/~100 items, 0/10 heads, 0:01"

    progress.task_ended(ended("jbod-01", work))
    progress.task_ended(ended("jbod-02", work, Status.FAILED, error="broken"))
    for number in range(5):
        progress.item_ended("jbod-03", work, ItemResult(key=str(number), status=Status.OK))

    assert progress.line(5.0) == "Make, 25/~100 items, 2/10 heads, 1 failed, 5.0/s, 0:15 left, 0:05"


def test_the_bytes_of_what_is_moved_have_a_rate_of_their_own_from_where_they_began() -> None:
    progress = Progress()
    progress.play(["a"])
    progress.task_started("a", task(), 0.0)
    progress.moved("a", task(), "tank/img", 100 << 20, 300 << 20, 1.0)
    progress.moved("a", task(), "tank/img", 200 << 20, 300 << 20, 3.0)

    assert progress.line(3.0) == "Make, 0:03, [a] tank/img: 200.0 MiB of 300.0 MiB, 66 %, 50.0 MiB/s, 0:02 left"
    progress.item_ended("a", task(), ItemResult(key="tank/img", status=Status.OK))
    assert progress.line(4.0) == "Make, 0:04"
    progress.task_ended(ended("a", task()))
    assert progress.line(5.0) == ""


def test_sizes_and_times_are_written_as_they_are_read_most_easily() -> None:
    assert [size(number) for number in (0, 1023, 1024, 5 << 30, 1 << 80)] == [
        *("0 B", "1023 B", "1.0 KiB", "5.0 GiB", "1073741824.0 PiB"),
    ]
    assert [clock(seconds) for seconds in (0.9, 67, 3723)] == ["0:00", "1:07", "1:02:03"]
