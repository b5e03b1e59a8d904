"""The mask: a canary in all forms in which it might be written, values, and its speed."""

from __future__ import annotations

import base64
import html
import json
import shlex
import subprocess
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lunops.mask import MASKED, Mask
from lunops.model import ItemResult, Status, TaskResult

CANARY = 'c4nary "it\'s" <ü>/\\&$x+=🔑'
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "JSON": json.dumps,
    "JSON with letters as they are": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"password": text})),
    "Python": repr,
    "Python of a text with both quotes": lambda text: repr(f"'\"{text}"),
    "shlex": shlex.quote,
    "a command line in JSON": lambda text: json.dumps(shlex.join(["echo", text])),
    "a quoted shell word with backslashes": lambda text: "'" + text.replace("'", r"'\''") + "'",
    "URL": lambda text: quote(text, safe=""),
    "URL with slashes": quote,
    "a form": lambda text: urlencode({"password": text}),
    "a form with spaces": quote_plus,
    "URL in small letters": lambda text: quote(text, safe="").lower(),
    "HTML": html.escape,
    "hexadecimal": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "basic authentication": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "base64, shifted by one": lambda text: base64.b64encode(f"a{text}b".encode()).decode(),
    "base64, shifted by two": lambda text: base64.b64encode(f"ab{text}".encode()).decode(),
    "base64 for URLs, shifted": lambda text: base64.urlsafe_b64encode(f"ab{text}cde".encode()).decode(),
}


def mask(*secrets: object) -> Mask:
    made = Mask()
    for secret in secrets:
        made.add(secret)
    return made


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("secret", [CANARY, "s3cret-simple", "abcde"])
def test_a_secret_is_masked_however_it_is_written(way: str, secret: str) -> None:
    written = WAYS[way](secret)
    shown = mask(secret).text(f"before <{written}> after")
    assert shown.startswith("before <")
    assert shown.endswith("> after")
    assert MASKED in shown
    # All of it is gone, but for the letter or two that base64 mixes with what stands beside it.
    assert len(shown) <= len(f"before <{WAYS[way]('')}> after{MASKED}") + 4


def test_what_bash_quotes_is_masked() -> None:
    quoted = subprocess.run(
        ["bash", "-c", 'printf %q "$1"', "-", "it's $x & y"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert mask("it's $x & y").text(quoted) == MASKED


def test_the_longest_secret_goes_first_and_what_begins_alike_is_told_apart() -> None:
    made = mask("pass", "password", "passw", "passable", "password-of-rack2")
    assert made.text("password-of-rack2 password passw pass passable passabl") == (
        f"{MASKED} {MASKED} {MASKED} {MASKED} {MASKED} {MASKED}abl"
    )


def test_a_short_secret_is_masked_where_it_is_the_whole_value_alone() -> None:
    made = mask("ab", 7)
    assert made.text("ab") == MASKED
    assert made.text("cabs 7") == "cabs 7"
    assert made.value({"a": "ab", "b": ["ab", "abc"], "rc": 7}) == {"a": MASKED, "b": [MASKED, "abc"], "rc": 7}


def test_all_values_of_data_are_taken_but_keys_truths_and_nothing_are_not() -> None:
    made = mask({"password": ["first-one", {"deep": "second-one"}], "port": 32601, "on": True, "none": None, "e": "  "})
    assert made.text("password first-one second-one 32601 True None   ") == (
        f"password {MASKED} {MASKED} {MASKED} True None   "
    )
    assert made.value({"a first-one": 32601, "b": True, "c": 1.5, "d": None, "e": ("x", "second-one")}) == {
        f"a {MASKED}": MASKED,
        "b": True,
        "c": 1.5,
        "d": None,
        "e": ["x", MASKED],
    }


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIabcdefgh\n  indented-line\nend\n"
    made = mask(key)
    assert made.text(f"x{key}x") == f"x{MASKED}x"
    assert made.text("+  MIIabcdefgh") == f"+  {MASKED}"
    assert made.value(key.splitlines()) == [MASKED, MASKED, f"  {MASKED}", "end"]


def test_a_mask_without_secrets_changes_nothing() -> None:
    assert mask().text("x") == "x"
    assert mask().value({"a": [1, None, "x"]}) == {"a": [1, None, "x"]}


def test_a_result_is_masked_in_all_its_texts_and_keeps_its_numbers_and_kind() -> None:
    item = ItemResult(
        key="tank/s3cret-one",
        status=Status.FAILED,
        changes=("set s3cret-one",),
        error="no s3cret-one",
        data={"stdout": "s3cret-one", "pin": 9876, "rc": 1},
        seconds=9876,
    )
    result = TaskResult(
        head="jbod-01", task_id="01", name="say s3cret-one", module="command", status=Status.FAILED, items=(item,)
    )
    shown = mask("s3cret-one", 9876).record(result)
    assert "s3cret" not in repr(shown)
    assert shown.name == f"say {MASKED}"
    assert shown.items[0].data == {"stdout": MASKED, "pin": MASKED, "rc": 1}
    assert (shown.items[0].seconds, shown.items[0].status) == (9876, Status.FAILED)
    assert mask().record(result) == result


@settings(deadline=None)
@given(st.lists(st.text(min_size=4, max_size=12), min_size=1, max_size=8), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_is_ever_left(secrets: list[str], before: str, after: str) -> None:
    made = mask(*secrets)
    for secret in secrets:
        assume(secret.strip() and secret.strip() not in MASKED)
        if len(secret.strip()) >= 4:
            shown = made.text(before + secret + after)
            assert MASKED in shown
            assert secret not in shown


def test_a_thousand_secrets_and_a_long_text_are_quick() -> None:
    made = mask([f"s3cret-{number * 7919:x}-{number:04}" for number in range(1000)])
    text = "TASK [clone rack2] ok: [jbod-01] tank/clones/node-17 s3cret-mushroom\n" * 15_000
    made.text("compiles")
    begun = time.perf_counter()
    assert made.text(text + "s3cret-1eef-0001") == text + MASKED
    assert time.perf_counter() - begun < 2.0
