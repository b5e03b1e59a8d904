"""Sizes: read as zfs reads them, exact, and written so that they read back the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import BadValueError
from lunops.names import Size

MOST = 2**63 - 1


@given(st.integers(1, MOST))
def test_a_size_reads_back_as_it_was_written(size_bytes: int) -> None:
    size = Size(size_bytes=size_bytes)

    assert Size.parse(str(size)) == Size.parse(size_bytes) == size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1", 1),
        ("10G", 10 << 30),
        ("10g", 10 << 30),
        ("10GB", 10 << 30),
        ("1.5T", 3 << 39),
        ("512M", 512 << 20),
        ("512B", 512),
        ("0.5K", 512),
        ("1.3M", 1363148),  # as OpenZFS 2.1.11 makes of it: the .8 of a byte is dropped
        ("7E", 7 << 60),
        ("0.1E", 115292150460684697),  # a float would give …698
        (MOST, MOST),
    ],
)
def test_a_size_is_what_zfs_takes_it_for(text: object, size_bytes: int) -> None:
    assert Size.parse(text).size_bytes == size_bytes


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, None, 0, -1, 1.5, MOST + 1, [], {}, b"10G"),
        *("", "G", "0", "-1", "+1", "1 G", " 1G", "1G\n", "1GiB", "1BB", "1.G", ".5G", "1e9", "0x10", "8E", "inf"),
        *("1\u212a", "\uff11G", "\u0661G", "9" * 300, "1." + "1" * 300, "1G;reboot", "$(id)", "1\0", "1,5G", "1_0"),
    ],
)
def test_what_is_no_size_is_refused_with_the_value_and_a_remedy(value: object) -> None:
    with pytest.raises(BadValueError) as error:
        Size.parse(value)

    assert repr(value) in error.value.what
    assert error.value.fix


@given(st.one_of(st.text(), st.none(), st.booleans(), st.floats(), st.binary(), st.lists(st.integers())))
def test_anything_is_a_size_in_bounds_or_refused(value: object) -> None:
    try:
        size = Size.parse(value)
    except BadValueError:
        return

    assert 0 < size.size_bytes <= MOST
