"""The arguments of drift, reconcile and adopt."""

from __future__ import annotations

from typing import Any

import pytest

from lunops.errors import InputError
from lunops.model import Item
from lunops.modules import MODULES, Context
from lunops.render import Templates
from tests.test_modules import HOST


def item(module: str, args: Any) -> Item:
    return MODULES[module].item(args, Context(host=HOST, templates=Templates({})), "plan.yml:3")


def test_without_a_name_the_item_is_the_head() -> None:
    assert item("drift", {}) == Item(key=HOST.name, args={})
    assert item("reconcile", {}) == Item(key=HOST.name, args={"lun": "", "force": []})
    assert item("adopt", {}) == Item(key=HOST.name, args={"dataset": ""})


def test_a_lun_is_named_as_drift_names_it() -> None:
    key = "iqn.2024-01.org.example:n1 tank/n1"

    assert item("reconcile", {"lun": key, "force": ["written"]}).args == {"lun": key, "force": ["written"]}


@pytest.mark.parametrize(
    ("module", "args", "says"),
    [
        ("drift", {"lun": "x"}, "unknown key 'lun'"),
        ("reconcile", {"lun": "a\nb"}, "lun"),
        ("reconcile", {"lun": "x" * 700}, "lun"),
        ("reconcile", {"force": ["everything"]}, "written"),
        ("adopt", {"dataset": "tank/../x"}, "tank/../x"),
        ("adopt", {"dataset": "-rf/x"}, "-rf/x"),
        ("adopt", {"dataset": "other/x"}, "has no pool 'other'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_words(module: str, args: Any, says: str) -> None:
    with pytest.raises(InputError) as error:
        item(module, args)

    assert says in str(error.value)
