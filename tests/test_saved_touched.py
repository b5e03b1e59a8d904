"""What a plan looks at: the names in the arguments of all modules that work with datasets and targets."""

from __future__ import annotations

import pytest

from lunops.model import Task
from lunops.modules import MODULES
from lunops.saved.touched import Touched, note
from tests.test_modules import ONE_OF_EACH, SHIPPED, item

IQN = "iqn.2024-01.org.example:n1"


def touched(module: str) -> dict[str, Touched]:
    found: dict[str, Touched] = {}
    one = item(module, ONE_OF_EACH[module], templates=SHIPPED)
    note(found, "here", Task(id="01", name="", module=module, items=(one,)))
    return found


@pytest.mark.parametrize(
    ("module", "datasets", "targets"),
    [
        ("zfs_clone", {"tank/golden@1", "tank/n1"}, set()),
        ("zfs_destroy", {"tank/n1"}, set()),
        ("lio_target", {"tank/n1"}, {IQN}),
        ("lio_absent", {"tank/n1"}, {IQN}),
        ("lun", {"tank/golden@1", "tank/n1"}, {IQN}),
        ("lio_fragment", {"tank/n1"}, {IQN}),
    ],
)
def test_the_datasets_and_targets_of_a_module_are_looked_at(module: str, datasets: set[str], targets: set[str]) -> None:
    [found] = touched(module).values()

    assert (found.datasets, found.targets) == (datasets, targets)


def test_what_is_sent_is_looked_at_on_both_heads() -> None:
    found = touched("zfs_send")
    source = ONE_OF_EACH["zfs_send"]

    assert found["here"].datasets == {source["src"]}
    assert found[source["to"]].datasets == {source["dst"]}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("zfs_")])
def test_no_module_of_zfs_is_overlooked(module: str) -> None:
    assert any(names.datasets for names in touched(module).values())


@pytest.mark.parametrize("module", ["copy", "command", "file", "stat"])
def test_files_are_no_datasets(module: str) -> None:
    assert touched(module) == {}


def test_what_drift_calls_a_lun_is_a_target_and_a_dataset() -> None:
    found = Touched()
    found.add(f"{IQN} tank/n1")

    assert found == Touched(datasets={"tank/n1"}, targets={IQN})
