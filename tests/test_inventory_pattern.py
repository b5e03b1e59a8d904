"""Who is meant by a pattern, where Ansible is not asked: files of names, errors, and what Ansible has not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import InventoryError
from lunops.inventory import parse
from lunops.inventory.pattern import split
from lunops.model import Host

HEADS = parse("jbod-[01:06]\n[rack1]\njbod-03\njbod-01\njbod-02\n[rack2]\njbod-04\n[empty]\n", Path("inventory"))
FILES = {"failed.retry": "jbod-01\n# a comment\n\nrack2  # and this\n", "none": "\n", "odd": "jbod-01\njbod-9\n"}


def names(pattern: str) -> list[str]:
    return [host.name for host in HEADS.select(pattern, read=lambda path: FILES[str(path)])]


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("a,b:c", ["a", "b", "c"]),
        (" a , b ", ["a", "b"]),
        ("a:&b:!c", ["a", "&b", "!c"]),
        ("g[0:2],h", ["g[0:2]", "h"]),
        ("~(?:a|b){1,2},c", ["~(?:a|b){1,2}", "c"]),
        (r"!~a\(:b", [r"!~a\(", "b"]),
        ("", []),
        (",:", []),
    ],
)
def test_a_pattern_is_split_but_not_within_brackets(pattern: str, parts: list[str]) -> None:
    assert split(pattern) == parts


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("@failed.retry", ["jbod-01", "jbod-04"]),
        ("rack1:&@failed.retry", ["jbod-01"]),
        ("all,!@failed.retry", ["jbod-02", "jbod-03", "jbod-05", "jbod-06"]),
        ("rack1[0]", ["jbod-03"]),
        ("rack1[-3]", ["jbod-03"]),
        ("rack1[1:9]", ["jbod-01", "jbod-02"]),
        ("jbod-0[56]", ["jbod-05", "jbod-06"]),
        ("~jbod-0(?:[56])", ["jbod-05", "jbod-06"]),
        ("rack2:empty", ["jbod-04"]),
        ("&rack2", ["jbod-04"]),
    ],
)
def test_a_pattern_names_heads_in_the_order_of_the_inventory(pattern: str, chosen: list[str]) -> None:
    assert names(pattern) == chosen


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("rack1[3]", "'rack1[3]' names no head (inventory); rack1 has 3; the first is [0], the last is [-1]"),
        ("rack1[-4]", "rack1 has 3"),
        ("rack1[7:]", "rack1 has 3"),
        ("empty[0]", "empty has 0"),
        ("empty", "'empty' names no head"),
        ("rak1[0]", "no head or group is named 'rak1[0]' (inventory); did you mean 'rack1'?"),
        ("~jbod-(", "'~jbod-(' is no regular expression"),
        ("~[[x]", "no head or group is named '~[[x]'"),
        ("~", "'~' has no regular expression (inventory); write ~REGEX"),
        ("~x+", "no head or group is named '~x+'"),
        ("rack1:!x*", "no head or group is named 'x*'"),
        ("@none", "the file names no head (none); write one a line"),
        ("@odd", "no head or group is named 'jbod-9' (odd:2); did you mean 'jbod-"),
    ],
)
def test_what_names_nothing_is_an_error_with_the_nearest_name(pattern: str, said: str) -> None:
    with pytest.raises(InventoryError) as error:
        names(pattern)

    assert said in str(error.value)


def test_a_file_of_names_cannot_be_named_where_no_file_is_read() -> None:
    with pytest.raises(InventoryError, match=r"'@failed.retry' cannot be used here .*give it with --limit"):
        HEADS.select("@failed.retry")


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("jbod-0123rack,:!&~[]*?()\\@{")), max_size=30))
def test_any_pattern_names_heads_or_is_an_error_of_ours(pattern: str) -> None:
    said, found = "", tuple[Host, ...]()
    try:
        found = HEADS.select(pattern, read=lambda _path: "jbod-01")
    except InventoryError as error:
        said = error.what

    assert bool(found) is not bool(said)
