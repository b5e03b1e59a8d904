"""No hostile name passes the border: not in any field of any module, by whichever door, and it reaches no command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from lunops.cli import run
from lunops.errors import InputError, InventoryError, LunopsError
from lunops.inventory import Inventory, parse
from lunops.modules import MODULES, Context
from lunops.modules.base import DatasetName
from lunops.playbook.reader import read_playbook as parse_playbook
from lunops.resources import load_templates
from lunops.sim.head import SimulatedSystem
from lunops.validate import Checked
from tests import hostile
from tests.hostile import Place, UnknownFieldError, places
from tests.planned import plan_playbook
from tests.service_support import clone
from tests.test_modules import ONE_OF_EACH
from tests.test_v1 import Api

ALL = [place for name, module in MODULES.items() for place in places(name, module.args)]
# What these are given are expressions and words that the author writes out, and none of it reaches a head.
OF_THE_AUTHOR = {"assert", "debug", "meta"}
TEMPLATES = load_templates()
SHOWN = 20  # errors of a playbook that are told at once
CONTROL = [bad for bad in hostile.NEVER if any(ord(letter) < 32 or ord(letter) == 127 for letter in bad)]


def inventory(path: Path) -> Inventory:
    return parse(f"head connection=sim pools=tank state={path}/head.sim\n", path / "inventory")


def hostile_to(place: Place) -> list[str]:
    """Return what must not be taken at a place."""
    if place.is_free:
        return ["\0", f"{place.valid}\0", "\ud800"]
    found = CONTROL + [place.valid + bad for bad in CONTROL] if place.is_text else list(hostile.hostile(place.valid))
    # zfs's own properties have an @ in them, and what is a word of its own (x@) is for zfs to know.
    known = {":", "x@"} if place.valid in ("compression", "used") else set()
    if place.valid.startswith("iqn."):
        known = {bad for bad in found if bad.strip(" ") == place.valid}  # people paste blanks around an IQN
    if place.module == "reconcile":
        known = {
            bad for bad in found if bad.strip(" ") == bad and bad.count(" ") == 1 and bad.replace(" ", "").isalnum()
        }
        known |= {f"{place.valid}a b", f"a b{place.valid}", f"{place.valid[:-1]}a b{place.valid[-1:]}"}  # two names
    return [bad for bad in dict.fromkeys(found) if bad not in known]


def is_clear(error: LunopsError, place: Place) -> bool:
    """Return whether an error is one that a person can use: it names the field, and is no trace of a bug."""
    name = next(str(part) for part in reversed(place.path) if not isinstance(part, int) and part != "KEY")
    return bool(error.what and name in str(error) and "Traceback" not in str(error))


def test_every_module_has_places_and_every_kind_of_name_is_among_them() -> None:
    assert {place.module for place in ALL} == {name for name, module in MODULES.items() if module.args.model_fields}
    assert {place.valid for place in ALL} >= {"tank/n1", "tank/golden@1", "iqn.2024-01.org.example:n1", "10G"}


@pytest.mark.parametrize("place", ALL, ids=str)
def test_a_module_refuses_hostile_values_in_every_field_and_makes_no_item_of_them(place: Place, tmp_path: Path) -> None:
    host = inventory(tmp_path).hosts["head"]
    module = MODULES[place.module]
    taken = []
    unclear = []
    for bad in hostile_to(place):
        args = place.filled(ONE_OF_EACH[place.module], module.args, bad)
        try:
            item = module.item(args, Context(host=host, templates=TEMPLATES), "plan.yml:3")
        except InputError as error:
            if not is_clear(error, place):
                unclear.append((bad, str(error)))
        else:
            taken.append((bad, item))
    assert taken == []
    assert unclear == []


@pytest.mark.parametrize("place", [place for place in ALL if place.module not in OF_THE_AUTHOR], ids=str)
def test_a_playbook_refuses_hostile_values_in_every_field_by_file_and_line(place: Place, tmp_path: Path) -> None:
    heads = inventory(tmp_path)
    args = place.filled(ONE_OF_EACH[place.module], MODULES[place.module].args, place.valid)
    names = {name: f"{{{{ item.{name} }}}}" for name in args}
    text = json.dumps([{"name": "p", "hosts": "all", "tasks": [{place.module: names, "loop": "{{ things }}"}]}])
    playbook = parse_playbook(text, "plan.yml")
    bads = hostile_to(place)[::4]
    for start in range(0, len(bads), SHOWN):
        some = bads[start : start + SHOWN]
        things = [place.filled(ONE_OF_EACH[place.module], MODULES[place.module].args, bad) for bad in some]

        with pytest.raises(InputError) as error:
            plan_playbook(playbook, heads, None, {"things": things}, templates=TEMPLATES)

        said = str(error.value)
        assert [bad for at, bad in enumerate(some) if f"item {at} of the loop" not in said] == []
        assert "plan.yml:1" in said


class _Nested(Checked):
    inner: list[dict[str, int]]


class _Plain(Checked):
    title: str


class _Pattern(Checked):
    title: Annotated[str, Field(pattern=r"\A.*\z")]


class _Path(Checked):
    where: Path | None = None


class _Any(Checked):
    what: Any


class _Known(Checked):
    names: list[DatasetName]


@pytest.mark.parametrize("model", [_Nested, _Plain, _Pattern, _Path, _Any])
def test_a_new_field_of_a_kind_that_nobody_spoke_of_fails_here(model: type[Checked]) -> None:
    with pytest.raises(UnknownFieldError, match=r"m\.(inner|title|where|what)"):
        list(places("m", model))


def test_a_new_field_of_a_known_kind_is_found_without_a_word() -> None:
    (place,) = places("m", _Known)

    assert (place.path, place.valid) == (("names", 0), "tank/n1")
    assert place.filled({}, _Known, "x") == {"names": ["x"]}


# -- the other doors --------------------------------------------------------------------------------------------------

REST_VALID = {"src": "p1/golden@1", "dst": "p1/n", "wwn": "iqn.2024-01.org.example:n1"}
REST_FIELDS: dict[str, Any] = {
    "src": lambda bad: {"src": bad},
    "dst": lambda bad: {"dst": bad},
    "wwn": lambda bad: {"wwn": bad},
    "initiators": lambda bad: {"initiators": [bad]},
    "properties": lambda bad: {"properties": {bad: "1"}},
}


@pytest.mark.parametrize("field", REST_FIELDS)
def test_the_rest_service_refuses_hostile_names_by_item_and_field_and_takes_nothing_on(
    field: str, tmp_path: Path
) -> None:
    api = Api(tmp_path)
    valid = {"properties": "compression", "initiators": "iqn.2024-01.org.example:i1", **REST_VALID}[field]
    bads = [bad for bad in dict.fromkeys(hostile.hostile(valid)) if bad.strip(" ") != valid]
    bads = [bad for bad in bads if bad != "\ud800" and "\ud800" not in bad]  # is not JSON: refused with the body
    if field == "properties":
        bads = [bad for bad in bads if bad not in (":", "x@")]
    wrong = []
    for bad in bads:
        code, answer, _ = api("POST", "clone", {"clones": [clone("ok"), clone("n", **REST_FIELDS[field](bad))]})
        fault = answer["errors"][0] if code == 400 and "errors" in answer else {}
        if code != 400 or fault.get("item") != 1 or not str(fault.get("field", "")).startswith(field):
            wrong.append((bad, code, answer))
    assert wrong == []
    assert api.has_accepted_nothing


PLAYBOOK = [{"name": "p", "hosts": "all", "tasks": [{"zfs_volume": {"dataset": "{{ name }}", "size": "16M"}}]}]


def untouched(path: Path) -> bool:
    """Return whether nothing at all was run on the simulated head."""
    head = SimulatedSystem(path / "head.sim", pools=["tank"])
    journal = head.journal()
    head.close()
    return journal == ()


def prepared(path: Path) -> list[str]:
    (path / "inventory").write_text(f"head connection=sim pools=tank state={path}/head.sim\n")
    (path / "plan.yml").write_text(json.dumps(PLAYBOOK))
    return ["run", str(path / "plan.yml"), "-i", str(path / "inventory")]


def test_the_command_line_refuses_hostile_names_and_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = prepared(tmp_path)

    for bad in list(hostile.hostile("tank/n1"))[::5]:
        assert run([*words, "-e", json.dumps({"name": bad})]) == 8, bad
        said = capsys.readouterr().err
        assert "dataset" in said
        assert "Traceback" not in said
    assert untouched(tmp_path)
    assert run([*words, "-e", "name=tank/good"]) == 0
    assert not untouched(tmp_path)


def test_a_hostile_limit_names_no_head_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*prepared(tmp_path), "-e", "name=tank/good"]
    everyone = ("*", "!", "head*")  # globs are a limit's own words

    for bad in [*hostile.WHOLE, *hostile.NEVER, "!head", "head:&none", "[", "[!", "(?s).*", ",", ":,"]:
        if bad in everyone:
            continue
        assert run([*words, "-l", bad]) == 8, bad
        assert "Traceback" not in capsys.readouterr().err
    assert untouched(tmp_path)


@pytest.mark.parametrize("line", ["{} connection=sim", "[{}]\nhead connection=sim", "head connection=sim pools={}"])
def test_an_inventory_with_hostile_names_of_heads_groups_or_pools_is_refused(line: str) -> None:
    taken: list[tuple[str, object]] = []
    for bad in [*hostile.NEVER, *hostile.WHOLE]:
        if "\n" in bad and not line.startswith("head"):
            continue  # the next line is the next head
        text = line.format(json.dumps(bad, ensure_ascii=False) if line.startswith("head") else bad)
        try:
            found = parse(text, Path("inv"))
        except InventoryError as error:
            if "inv" not in error.where or not error.fix:
                taken.append((bad, error))
        else:
            taken.append((bad, found))
    assert taken == []
