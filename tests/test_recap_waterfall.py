"""Where the time of a run went."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lunops.model import RunResult, Status, TaskResult, Times
from lunops.recap import critical_path, unaccounted_s, waterfall_lines
from lunops.recap.line import cells
from lunops.recap.slowest import percentile
from lunops.recap.spans import length, union
from lunops.recap.waterfall import parts_of
from tests import recap_support as support


def result(head: str, name: str, begun_s: float, total_s: float, **times: float) -> TaskResult:
    return TaskResult(
        head=head,
        task_id=name,
        name=name,
        module="m",
        status=Status.OK,
        begun_s=begun_s,
        times=Times(total_s=total_s, **{"run_s": total_s, **times}),
    )


def run(*tasks: TaskResult, total_s: float = 10.0) -> RunResult:
    return RunResult(plan="p", check=False, tasks=tasks, heads=("a", "b"), total_s=total_s)


def path(of: RunResult) -> list[tuple[str, str]]:
    return [(one.result.name, one.result.head) for one in critical_path(of)]


def test_the_critical_path_goes_through_the_slowest_head_at_each_barrier() -> None:
    linear = run(
        *(result("a", "1", 0, 1), result("b", "1", 0, 4)),
        *(result("a", "2", 4.01, 3), result("b", "2", 4.01, 1)),
        *(result("a", "3", 7.02, 0.5), result("b", "3", 7.02, 2)),
    )

    assert path(linear) == [("1", "b"), ("2", "a"), ("3", "b")]


def test_where_heads_do_not_wait_for_each_other_the_critical_path_stays_on_its_head() -> None:
    free = run(
        *(result("a", "1", 0, 3), result("a", "2", 3.001, 5)),
        *(result("b", "1", 0, 3.0005), result("b", "2", 3.0006, 1)),
    )

    assert path(free) == [("1", "a"), ("2", "a")]


def test_results_without_a_beginning_follow_each_other_on_their_head() -> None:
    old = run(*(result("a", "1", 0, 3), result("b", "1", 0, 1), result("b", "2", 0, 1), result("a", "2", 0, 5)))

    assert path(old) == [("1", "a"), ("2", "a")]
    assert unaccounted_s(old) == 2.0


def test_time_in_which_no_head_was_at_any_task_is_unaccounted_for() -> None:
    assert unaccounted_s(run(result("a", "1", 1, 2), result("b", "1", 2, 4), result("a", "2", 8, 1))) == 4.0
    assert unaccounted_s(run()) == 10.0


def test_a_bar_stands_where_its_task_was_and_shows_what_its_time_went_to() -> None:
    lines = [
        line.text
        for line in waterfall_lines(
            run(
                result("a", "1", 0, 5, run_s=2.5, connect_s=2.5),
                result("a", "2", 5, 5, run_s=0, wait_s=1, template_s=1.5, transfer_s=1),
            ),
            width=36,
        )
    ]

    bars = [line.split("|")[1] for line in lines[1:3]]
    assert bars == ["▓▓▓▓▓█████          ", "          ░░▒▒▒▄▄···"]


def test_a_waterfall_of_many_tasks_shows_the_longest_and_sums_the_others() -> None:
    many = run(*(result("a", f"t{place}", place / 10, 0.01 + place / 1000) for place in range(50)))
    lines = [line.text for line in waterfall_lines(many)]

    assert sum("|" in line for line in lines) == 30
    assert any(line.startswith("and 20 short ones, together 0.390s") for line in lines)


@given(support.results, st.integers(min_value=40, max_value=120))
def test_no_line_is_wider_than_asked_and_all_sums_hold(of: RunResult, width: int) -> None:
    assert all(cells(line.text) <= width for line in list(waterfall_lines(of, width))[1:])
    assert 0 <= unaccounted_s(of) <= of.total_s
    chain = critical_path(of)
    assert all(one.ended_s <= other.begun_s + 1e-5 for one, other in pairwise(chain))
    for task in of.tasks:
        assert abs(sum(parts_of(task.times).values()) - task.times.total_s) < 1e-6


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_intervals_are_united_without_counting_any_time_twice(some: list[tuple[int, int]]) -> None:
    covered = {second for begin, end in some for second in range(begin, end)}

    assert length(union((float(begin), float(end)) for begin, end in some)) == len(covered)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]

    assert (percentile(values, 50), percentile(values, 95), percentile([7.0], 95)) == (50.0, 95.0, 7.0)
