"""LIO in depth, on the real kernel, and what a real initiator sees of it."""

from __future__ import annotations

from typing import cast

import pytest

from tests.acceptance.eyes import LabEyes
from tests.acceptance.initiator import discover, io
from tests.operations.bench import Bench
from tests.operations.fragments import INITIATOR, OTHER, acl, block, file, fragment, lun, volumes, wwn
from tests.operations.suite_lio import LioSuite, put, take_away

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]

USER, SECRET = "node1", "a-secret-of-18-let"


class TestOnARealHead(LioSuite):
    def test_chap_lets_in_who_knows_the_secret_and_nobody_else(self, bench: Bench) -> None:
        volumes(bench)
        portal = cast(LabEyes, bench.eyes).head.portal
        wanted = fragment(
            bench,
            [block(bench)],
            attributes={"authentication": 1, "generate_node_acls": 0},
            node_acls=[acl(INITIATOR, chap_userid=USER, chap_password=SECRET), acl(OTHER)],
        )
        result = put(bench, wanted)
        name = wwn(bench)

        right, said = io(portal, name, INITIATOR, "read 0 512", user=USER, password=SECRET)
        wrong, wrong_said = io(portal, name, INITIATOR, "read 0 512", user=USER, password="not-the-secret-123")
        none, none_said = io(portal, name, INITIATOR, "read 0 512")
        other, other_said = io(portal, name, OTHER, "read 0 512", user=USER, password=SECRET)
        stranger, stranger_said = io(
            portal, name, "iqn.2024-01.org.example:stranger", "read 0 512", user=USER, password=SECRET
        )
        take_away(bench, name)

        assert result.error == ""
        assert right, said
        for let_in, words in (
            (wrong, wrong_said),
            (none, none_said),
            (other, other_said),
            (stranger, stranger_said),
        ):
            assert not let_in
            assert "Auth" in words or "auth" in words or "login" in words.lower(), words

    def test_write_protection_reads_and_does_not_write(self, bench: Bench) -> None:
        volumes(bench)
        portal = cast(LabEyes, bench.eyes).head.portal
        protected = acl(OTHER)
        protected["mapped_luns"][0]["write_protect"] = True
        result = put(
            bench,
            fragment(
                bench,
                [block(bench), file(bench)],
                node_acls=[acl(INITIATOR, 0, 1), protected],
                luns=[lun(block(bench)), lun(file(bench), 1)],
            ),
        )
        name = wwn(bench)

        written, said = io(portal, name, INITIATOR, "write -P 7 0 4096", "read -P 7 0 4096")
        in_file, file_said = io(portal, name, INITIATOR, "write -P 9 8192 4096", "read -P 9 8192 4096", lun=1)
        read, read_said = io(portal, name, OTHER, "read -P 7 0 4096")
        refused, refused_said = io(portal, name, OTHER, "write -P 8 0 4096")
        kept, kept_said = io(portal, name, INITIATOR, "read -P 7 0 4096")
        take_away(bench, name)

        assert result.error == ""
        assert written, said
        assert in_file, file_said
        assert read, read_said
        assert not refused, refused_said
        assert kept, kept_said

    def test_discovery_wants_its_own_secret(self, bench: Bench) -> None:
        volumes(bench)
        portal = cast(LabEyes, bench.eyes).head.portal
        put(bench, fragment(bench, [block(bench)]))
        asked = {"enable": True, "userid": USER, "password": SECRET}

        result = bench.do("lio_discovery", asked)
        right, said = discover(portal, INITIATOR, user=USER, password=SECRET)
        wrong, _ = discover(portal, INITIATOR, user=USER, password="another-secret-1")
        none, _ = discover(portal, INITIATOR)
        bench.undo(result)
        free, free_said = discover(portal, INITIATOR)
        take_away(bench, wwn(bench))

        assert result.items[0].error == ""
        assert right, said
        assert wwn(bench) in said
        assert not wrong
        assert not none
        assert free, free_said

    def test_ipv6_and_several_portals_listen(self, bench: Bench) -> None:
        volumes(bench)
        eyes = cast(LabEyes, bench.eyes)
        portals = [
            {"ip_address": "[::1]", "port": 3301},
            {"ip_address": "127.0.0.1", "port": 3302},
            {"ip_address": "[::]", "port": 3303},
        ]

        result = put(bench, fragment(bench, [block(bench)], portals=portals))
        listening = eyes.shell("ss -ltn")
        put(bench, fragment(bench, [block(bench)], portals=portals[:1]))
        fewer = eyes.shell("ss -ltn")
        take_away(bench, wwn(bench))

        assert result.error == ""
        assert all(place in listening for place in ("[::1]:3301", "127.0.0.1:3302", ":3303"))
        assert "[::1]:3301" in fewer
        assert "127.0.0.1:3302" not in fewer
