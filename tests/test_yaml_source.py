"""Reading YAML: the place of everything in it, and the one tag that is taken."""

from __future__ import annotations

import pytest

from lunops.errors import PlaybookError
from lunops.yaml_source import Source, Vaulted, read

TEXT = """\
# a comment
- name: x
  list: [1,
    {a: b}]
  password: !vault |
    $ANSIBLE_VAULT;1.1;AES256
    6162
"""


def source(text: str = TEXT) -> Source:
    return read(text, "plan.yml", PlaybookError)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ((), "1:1"),
        ((0,), "2:3"),
        ((0, "name"), "2:3"),
        ((0, "list"), "3:3"),
        ((0, "list", 0), "3:10"),
        ((0, "list", 1, "a"), "4:6"),
        ((0, "list", 7), "3:3"),
        ((0, "nothing", "below"), "2:3"),
    ],
)
def test_a_place_has_file_line_and_column_and_what_is_not_there_has_that_of_what_is_around_it(
    key: tuple[str | int, ...], place: str
) -> None:
    assert source().where(*key) == f"plan.yml:{place}"


def test_a_vaulted_scalar_is_told_from_other_text() -> None:
    value = source().value[0]["password"]

    assert isinstance(value, Vaulted)
    assert value == "$ANSIBLE_VAULT;1.1;AES256\n6162\n"
    assert not isinstance(source().value[0]["name"], Vaulted)


@pytest.mark.parametrize("text", ["a: !vault [1]", "a: !vault {b: c}", "a: !unsafe b"])
def test_every_other_tag_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(PlaybookError, match=r"the tag .* is not known \(plan.yml:1:1\)"):
        source(text)


def test_text_that_is_no_yaml_is_an_error_with_line_and_column() -> None:
    with pytest.raises(PlaybookError) as error:
        source("a: b\nc: d: e\n")

    assert error.value.where == "plan.yml:2:5"
