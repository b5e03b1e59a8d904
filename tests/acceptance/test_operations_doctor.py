"""doctor on the real head."""

from __future__ import annotations

import pytest

from tests.acceptance.eyes import LabEyes
from tests.operations.bench import Bench
from tests.operations.suite_doctor import DoctorSuite, ask, found

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(DoctorSuite):
    def test_a_link_named_after_an_error_is_found(self, bench: Bench) -> None:
        assert isinstance(bench.eyes, LabEyes)
        bench.eyes.shell("ln -s /dev/null /dev/zvol/Unable")

        seen = found(ask(bench))
        bench.eyes.unlink("/dev/zvol/Unable")

        assert "rm /dev/zvol/Unable" in seen["link-unable"]["fix"]
