"""What tests/scenarios/ansible records of Ansible is what it does; needs ansible-core, and no virtual machine."""

from __future__ import annotations

import json

import pytest

from tests.ansible_compare import differences
from tests.ansible_record import cases, run_ansible

pytestmark = pytest.mark.lab


def test_ansible_still_does_what_is_recorded() -> None:
    done = run_ansible(cases())

    recorded = {case.name: json.loads((case / "expected.json").read_text("utf-8")) for case in cases()}
    wrong = {name: [str(each) for each in differences(recorded[name], done[name])] for name in recorded}
    assert {name: each for name, each in wrong.items() if each} == {}
