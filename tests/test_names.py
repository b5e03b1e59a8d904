"""Names: what is taken, what is refused, and that a parsed name is safe in a path and on a command line."""

from __future__ import annotations

import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import BadValueError
from lunops.names import Dataset, Iqn, Portal, Snapshot

_FIRST = string.ascii_letters + string.digits
_PART = st.builds(
    str.__add__, st.sampled_from(_FIRST), st.text(alphabet=string.ascii_letters + string.digits + "-_.:", max_size=12)
)
_POOL = st.builds(str.__add__, st.sampled_from(string.ascii_letters), _PART)
DATASETS = st.lists(_PART, max_size=5).flatmap(lambda parts: _POOL.map(lambda pool: "/".join([pool, *parts])))
ANYTHING = st.one_of(st.text(), st.none(), st.integers(), st.lists(st.text()), st.binary())


@given(DATASETS)
def test_a_dataset_name_reads_back_as_it_was_written(name: str) -> None:
    dataset = Dataset.parse(name)

    assert str(dataset) == name
    assert dataset.pool == name.split("/")[0]
    assert [*dataset.parents, name] == ["/".join(name.split("/")[: n + 1]) for n in range(name.count("/") + 1)]


@given(ANYTHING)
def test_what_is_taken_as_a_dataset_cannot_leave_its_folder_or_become_an_option(value: object) -> None:
    try:
        dataset = Dataset.parse(value)
    except BadValueError:
        return

    assert dataset.name == value
    assert not dataset.name.startswith(("-", "/"))
    assert not set(dataset.name) & set(" \t\n\0@%'\"\\$;&|")
    assert not {"", ".", ".."} & set(dataset.name.split("/"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "tank/",
        "/tank",
        "tank//x",
        "tank/../x",
        "tank/-x",
        "tank/x@1",
        "tank/a b",
        "tank/ä",
        "tank/x\n",
        "1tank",
    ],
)
def test_a_wrong_dataset_name_is_refused_with_the_name_and_a_remedy(name: str) -> None:
    with pytest.raises(BadValueError) as error:
        Dataset.parse(name)

    assert repr(name) in error.value.what
    assert error.value.fix


def test_a_dataset_name_may_be_as_long_as_zfs_takes_it_and_no_longer() -> None:
    assert Dataset.parse("t/" + "x" * 253)
    with pytest.raises(BadValueError):
        Dataset.parse("t/" + "x" * 254)


@pytest.mark.parametrize("name", ["tank/x", "tank/x@", "@1", "tank/x@a@b", "tank/x@a/b", "tank/x@a b", None, 5])
def test_a_wrong_snapshot_name_is_refused(name: object) -> None:
    with pytest.raises(BadValueError):
        Snapshot.parse(name)


@given(DATASETS, _PART)
def test_a_snapshot_name_reads_back_as_it_was_written(dataset: str, tag: str) -> None:
    snapshot = Snapshot.parse(f"{dataset}@{tag}")

    assert str(snapshot) == f"{dataset}@{tag}"
    assert snapshot.dataset.name == dataset


def test_an_iqn_is_kept_in_lower_case_as_the_kernel_does() -> None:
    assert Iqn.parse(" iqn.2024-01.org.Example:Node-1 ").name == "iqn.2024-01.org.example:node-1"


@given(ANYTHING)
def test_what_is_taken_as_an_iqn_cannot_reach_another_path_in_configfs(value: object) -> None:
    try:
        iqn = Iqn.parse(value)
    except BadValueError:
        return

    assert "/" not in iqn.name
    assert "\0" not in iqn.name
    assert len(iqn.name) <= 223


@pytest.mark.parametrize(
    "name",
    [
        "",
        "iqn.2024-13.org.example:x",
        "iqn.2024-01.org.example:a/b",
        "iqn.2024-01.org.example:../../x",
        "iqn.2024-01.org.example:",
        "iqn.2024-01.org",
        "eui.02004567A425678D",
        "iqn.2024-01.org.example:x y",
        "iqn.2024-01.org.example:\u0130",
        "iqn.2024-01.org.example:\u212a",
        "iqn.2024-01.org.example:" + "x" * 200,
    ],
)
def test_a_wrong_iqn_is_refused(name: str) -> None:
    with pytest.raises(BadValueError):
        Iqn.parse(name)


def test_serials_differ_in_the_digits_of_which_the_kernel_makes_the_naa_identifier() -> None:
    serials = [
        Iqn.parse(f"iqn.2024-01.org.example:node.{number:04}").serial(head)
        for number in range(500)
        for head in ("jbod-01", "jbod-02")
    ]

    assert len({uuid.UUID(serial).hex[:25] for serial in serials}) == 1000


def test_serial_and_storage_object_of_a_target_never_change() -> None:
    iqn = Iqn.parse("iqn.2024-01.org.example:node-01")

    # Written down: disks that are in use somewhere are known by these.
    assert iqn.serial("jbod-01") == "6e50e25e-4d7c-503c-9bdb-2eaa8dc0baed"
    assert iqn.storage_object() == "lo-eb89e401e628"
    assert len(iqn.storage_object()) <= 16


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.1", "10.0.0.1:3260"),
        ("10.0.0.1:3261", "10.0.0.1:3261"),
        ("[fd00::1]", "[fd00::1]:3260"),
        ("[FD00:0::1]:1", "[fd00::1]:1"),
    ],
)
def test_a_portal_reads_back_in_the_kernels_spelling(text: str, shown: str) -> None:
    assert str(Portal.parse(text)) == shown
    assert Portal.parse(shown) == Portal.parse(text)


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.1:0", "10.0.0.1:65536", "fd00::1", "[10.0.0.1]:1", "a:1", None, "1.2.3.4:1\n"]
)
def test_a_wrong_portal_is_refused(text: object) -> None:
    with pytest.raises(BadValueError):
        Portal.parse(text)
