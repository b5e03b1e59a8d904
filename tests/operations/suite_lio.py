"""LIO in depth: fragments, what may not be touched while it is used, discovery, sessions, undo."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

from lunops.agent import readback
from lunops.model import ItemResult, Status, TaskResult
from tests.operations import kernel
from tests.operations.bench import ISCSI, RECORDS, SAVECONFIG, Bench
from tests.operations.fragments import (
    INITIATOR,
    OTHER,
    SECRETS,
    acl,
    block,
    changed,
    file,
    fragment,
    lun,
    rich,
    tpg_of,
    volumes,
    wwn,
)

OK, CHANGED, FAILED = Status.OK, Status.CHANGED, Status.FAILED


def put(bench: Bench, wanted: Any, **options: Any) -> ItemResult:
    """Have a fragment on the head; return how it went."""
    force = options.pop("force", [])
    [item] = bench.do("lio_fragment", {"fragment": wanted, "force": force}, **options).items
    return item


def one(result: TaskResult) -> ItemResult:
    [item] = result.items
    return item


def take_away(bench: Bench, *names: str) -> None:
    """End a test on a head that others will use."""
    for name in names:
        result = bench.do("lio_absent", {"wwn": name})
        assert not result.status.is_bad, result


class LioSuite:
    """Inherit it, and give it a fixture `bench`."""

    # -- fragment and kernel ----------------------------------------------------------------------------------

    def test_every_key_of_a_fragment_comes_back_from_the_kernel_and_after_a_restore(self, bench: Bench) -> None:
        volumes(bench, 2)
        wanted = rich(bench)

        looked = put(bench, wanted, check=True)
        nothing = bench.eyes.exists(f"{ISCSI}/{wwn(bench)}")
        made = put(bench, wanted)
        again = put(bench, wanted)
        there = kernel.holds(bench, wanted)
        kernel.restore(bench)
        restored = kernel.like(bench, wanted)
        after = put(bench, wanted)
        take_away(bench, wwn(bench))

        assert (looked.status, looked.error) == (CHANGED, "")
        assert not nothing
        assert made.error == ""
        assert made.changes == looked.changes
        assert (again.status, again.changes) == (OK, ())
        assert there
        assert restored == readback.canonical(wanted)
        assert after.changes == ()
        assert not bench.eyes.exists(f"{ISCSI}/{wwn(bench)}")

    def test_a_changed_fragment_is_converged_to_and_an_undo_brings_the_old_one_back(self, bench: Bench) -> None:
        volumes(bench, 2)
        first = fragment(
            bench,
            [block(bench, 0, alua_tpgs=[{"name": "a", "tg_pt_gp_id": 9, "alua_access_type": 2}])],
            luns=[lun(block(bench, 0), 0, alua_tg_pt_gp_name="a")],
            portals=[{"ip_address": "127.0.0.1", "port": 3271}, {"ip_address": "[::1]", "port": 3271}],
            node_acls=[acl(INITIATOR, **SECRETS), acl(OTHER, 0, tag="x", tcq_depth=8)],
        )
        second = fragment(
            bench,
            [block(bench, 0, attributes={"emulate_tpu": 1}, alua_tpgs=[]), block(bench, 1)],
            attributes={"authentication": 1, "generate_node_acls": 0, "login_timeout": 7},
            luns=[lun(block(bench, 0), 0, alua_tg_pt_gp_name="default_tg_pt_gp"), lun(block(bench, 1), 5)],
            portals=[{"ip_address": "0.0.0.0", "port": 3271}],
            node_acls=[acl(INITIATOR, 0, 5), acl("iqn.2024-01.org.example:third", 5)],
        )
        put(bench, first)

        result = bench.do("lio_fragment", {"fragment": second})
        again = put(bench, second)
        converged = kernel.holds(bench, second)
        undone = bench.undo(result)
        back = kernel.holds(bench, first)
        record = json.loads(bench.eyes.read(RECORDS))["luns"][wwn(bench)]
        once_more = put(bench, first)
        take_away(bench, wwn(bench))

        assert not result.status.is_bad, result
        assert (again.changes, converged) == ((), True)
        assert [item.error for item in undone] == [""]
        assert back
        assert record["fragment"] == first
        assert once_more.changes == ()

    def test_chap_that_is_no_longer_wanted_is_forgotten(self, bench: Bench) -> None:
        volumes(bench)
        put(bench, fragment(bench, [block(bench)], chap_userid="u", chap_password="p" * 16, node_acls=[acl(**SECRETS)]))

        result = put(bench, fragment(bench, [block(bench)]))
        base = f"{ISCSI}/{wwn(bench)}/tpgt_1"
        kept = {
            bench.eyes.read(f"{place}/auth/{name}").strip()
            for place in (base, f"{base}/acls/{INITIATOR}")
            for name in ("userid", "password", "userid_mutual", "password_mutual")
        }
        again = put(bench, fragment(bench, [block(bench)]))
        take_away(bench, wwn(bench))

        assert result.error == ""
        assert kept <= {"NULL", ""}
        assert again.changes == ()

    def test_a_file_grows_while_it_is_exported_and_never_shrinks(self, bench: Bench) -> None:
        bench.eyes.run(["rm", "-f", file(bench)["dev"]])
        made = bench.do("lio_fragment", {"fragment": fragment(bench, [file(bench)])})

        grown = put(bench, fragment(bench, [file(bench, size=32 << 20)]))
        there = kernel.holds(bench, fragment(bench, [file(bench, size=32 << 20)]))
        shrunk = put(bench, fragment(bench, [file(bench, size=8 << 20)]))
        buffered = put(bench, fragment(bench, [file(bench, size=32 << 20, write_back=True)]))
        undone = bench.undo(made)

        assert (made.status, grown.status, there) == (CHANGED, CHANGED, True)
        assert "would lose what lies behind byte 8388608" in shrunk.error
        assert "it is fixed while the object is there" in buffered.fix
        assert [item.error for item in undone] == [""]
        assert not bench.eyes.exists(file(bench)["dev"])
        assert wwn(bench) not in bench.saved_names()

    def test_what_the_kernel_fixes_while_a_lun_leads_to_it_is_refused_before_anything_is_done(
        self, bench: Bench
    ) -> None:
        volumes(bench)
        put(bench, fragment(bench, [block(bench)]))

        wanted = fragment(bench, [block(bench, attributes={"emulate_tpu": 1, "block_size": 4096})])
        result = put(bench, wanted)
        still = kernel.holds(bench, fragment(bench, [block(bench, attributes={"emulate_tpu": 0, "block_size": 512})]))
        take_away(bench, wwn(bench))

        assert "the kernel takes it only while no LUN leads to the object" in result.error
        assert (result.rolled_back, still) == ((), True)

    # -- failing half-way -------------------------------------------------------------------------------------

    def test_what_fails_half_way_is_taken_back_and_looked_at_removed_things_too(self, bench: Bench) -> None:
        volumes(bench, 2)
        other = fragment(bench, [block(bench, 1)], portals=[{"ip_address": "0.0.0.0", "port": 3281}])
        other["targets"][0]["wwn"] = wwn(bench, "other")
        before = fragment(
            bench,
            [block(bench)],
            portals=[{"ip_address": "127.0.0.1", "port": 3282}],
            node_acls=[acl(), acl(OTHER, 0, tag="kept", tcq_depth=9, **SECRETS)],
        )
        put(bench, other)
        put(bench, before)
        records, saved = bench.eyes.read(RECORDS), bench.saved()

        # 127.0.0.1 cannot have the port that another target's 0.0.0.0 has, which only the kernel knows
        wanted = changed(
            before,
            attributes={"authentication": 1, "generate_node_acls": 0},
            portals=[{"ip_address": "127.0.0.1", "port": 3281}],
            node_acls=[acl()],
        )
        result = put(bench, wanted)
        there = kernel.holds(bench, before)
        attribute = bench.eyes.read(f"{ISCSI}/{wwn(bench)}/tpgt_1/attrib/authentication")
        after = bench.eyes.read(RECORDS), bench.saved()
        take_away(bench, wwn(bench), wwn(bench, "other"))

        assert "another portal of this head has the port" in result.fix
        assert result.left_behind == ()
        assert f"mkdir iscsi/{wwn(bench)}/tpgt_1/acls/{OTHER}" in result.rolled_back
        assert there
        assert attribute.strip() == "0"
        assert after == (records, saved)
        assert SECRETS["chap_password"] not in repr(result)

    def test_a_new_target_that_fails_half_way_leaves_nothing(self, bench: Bench) -> None:
        volumes(bench)
        wanted = fragment(
            bench, [block(bench), file(bench)], portals=[{"ip_address": "10.0.2.15", "port": 3283, "iser": True}]
        )
        bench.eyes.run(["rm", "-f", file(bench)["dev"]])

        result = put(bench, wanted)

        assert "ib_isert" in result.fix
        assert result.left_behind == ()
        assert kernel.like(bench, wanted) == {"storage_objects": [], "targets": []}
        assert not bench.eyes.exists(file(bench)["dev"])
        assert wwn(bench) not in json.loads(bench.eyes.read(RECORDS))["luns"]

    # -- whose it is ------------------------------------------------------------------------------------------

    def test_names_of_others_are_not_taken_over(self, bench: Bench) -> None:
        volumes(bench, 3)
        (lun_of_ours,) = bench.luns(1)
        bench.create([lun_of_ours])
        mine = fragment(bench, [block(bench)])
        put(bench, mine)
        bench.eyes.mkdir(f"{ISCSI}/{wwn(bench, 'stranger')}")

        def tried(storage: Any, name: str = "new") -> str:
            wanted = fragment(bench, [storage])
            wanted["targets"][0]["wwn"] = wwn(bench, name)
            return put(bench, wanted).error

        errors = [
            tried(block(bench, 1, name=block(bench)["name"])),
            tried(block(bench, 1, dev=block(bench)["dev"])),
            tried(block(bench, 1, dev=f"/dev/zvol/{lun_of_ours.dst}")),
            tried(block(bench, 1), "stranger"),
            tried(block(bench, 1, wwn=block(bench)["wwn"][:-4] + "ffff")),
        ]
        there = kernel.holds(bench, mine)
        exists = bench.eyes.exists(f"{ISCSI}/{wwn(bench, 'new')}")
        bench.eyes.run(["rmdir", f"{ISCSI}/{wwn(bench, 'stranger')}"])
        bench.delete([lun_of_ours])
        take_away(bench, wwn(bench))

        assert f"belongs to the target {wwn(bench)}" in errors[0]
        assert f"belongs to the target {wwn(bench)}" in errors[1]
        assert f"belongs to the target {lun_of_ours.wwn}" in errors[2]
        assert "is there, and not of lunops' making" in errors[3]
        assert "would take the two for one disk" in errors[4]
        assert there
        assert not exists

    # -- in use -----------------------------------------------------------------------------------------------

    def test_a_mapped_lun_that_comes_to_lead_elsewhere_keeps_its_write_protection(self, bench: Bench) -> None:
        volumes(bench, 2)
        storages = [block(bench), block(bench, 1)]

        def leading_to(number: int) -> Any:
            mapped = [{"index": 0, "tpg_lun": number, "write_protect": True}]
            return fragment(bench, storages, node_acls=[dict(acl(INITIATOR), mapped_luns=mapped)])

        put(bench, leading_to(0))
        moved = put(bench, leading_to(1))
        again = put(bench, leading_to(1))
        protected = bench.eyes.read(f"{ISCSI}/{wwn(bench)}/tpgt_1/acls/{INITIATOR}/lun_0/write_protect").strip()
        take_away(bench, wwn(bench))

        assert moved.status is CHANGED, moved
        assert protected == "1"
        assert again.changes == ()

    def test_what_a_session_uses_is_not_touched_and_all_else_is(self, bench: Bench) -> None:
        volumes(bench, 2)
        mine, theirs = block(bench), block(bench, 1)
        elsewhere = {"ip_address": "127.0.0.1", "port": 3291}
        here = {"ip_address": "10.0.2.15", "port": 3260}
        before = fragment(
            bench,
            [mine, theirs],
            portals=[here, elsewhere],
            node_acls=[acl(INITIATOR, 0, tcq_depth=32), acl(OTHER, 1)],
        )
        put(bench, before)
        mapped = tpg_of(before)["node_acls"][0]

        with bench.eyes.log_in(wwn(bench), INITIATOR):
            refused = {
                "acl": put(bench, changed(before, node_acls=[acl(OTHER, 1)])),
                "portal": put(bench, changed(before, portals=[elsewhere])),
                "lun": put(
                    bench,
                    changed(before, luns=[lun(theirs, 1)], node_acls=[dict(mapped, mapped_luns=[]), acl(OTHER, 1)]),
                ),
                "depth": put(bench, changed(before, node_acls=[dict(mapped, tcq_depth=16), acl(OTHER, 1)])),
                "enable": put(bench, changed(before, enable=False)),
                "write": put(
                    bench,
                    changed(
                        before,
                        node_acls=[
                            dict(mapped, mapped_luns=[{"index": 0, "tpg_lun": 0, "write_protect": True}]),
                            acl(OTHER, 1),
                        ],
                    ),
                ),
                "absent": one(bench.do("lio_absent", {"wwn": wwn(bench)})),
            }
            untouched = kernel.holds(bench, before)
            less = changed(before, luns=[lun(mine, 0)], portals=[here], node_acls=[mapped])
            less["storage_objects"] = [mine]
            taken = put(bench, less)
            sessions = one(bench.do("sessions", {"wwn": wwn(bench)})).data
            every = one(bench.do("sessions", {})).data
        gone = one(bench.do("sessions", {"wwn": wwn(bench)})).data
        left = kernel.holds(bench, less)
        take_away(bench, wwn(bench))

        assert {name: INITIATOR in item.error for name, item in refused.items()} == dict.fromkeys(refused, True)
        assert all("force: [sessions]" in item.fix for item in refused.values())
        assert untouched
        assert (taken.error, left) == ("", True)
        [session] = sessions
        assert {key: session[key] for key in ("target", "tpg", "initiator", "state", "dynamic")} == {
            "target": wwn(bench),
            "tpg": 1,
            "initiator": INITIATOR,
            "state": "logged_in",
            "dynamic": False,
        }
        assert session["address"]
        assert session in every
        assert gone == []

    def test_a_session_is_ended_only_by_name(self, bench: Bench) -> None:
        volumes(bench)
        put(bench, fragment(bench, [block(bench)]))

        with bench.eyes.log_in(wwn(bench), INITIATOR):
            looked = one(bench.do("lio_absent", {"wwn": wwn(bench), "force": ["sessions"]}, check=True))
            result = one(bench.do("lio_absent", {"wwn": wwn(bench), "force": ["sessions"]}))

        assert looked.changes == result.changes
        assert result.error == ""
        assert not bench.eyes.exists(f"{ISCSI}/{wwn(bench)}")

    # -- taking away ------------------------------------------------------------------------------------------

    def test_all_that_a_target_has_goes_with_it_and_an_undo_exports_it_again(self, bench: Bench) -> None:
        volumes(bench, 2)
        wanted = rich(bench)
        put(bench, wanted)

        result = bench.do("lio_absent", {"wwn": wwn(bench)})
        gone = kernel.like(bench, wanted)
        saved = {wwn(bench), *(each["name"] for each in wanted["storage_objects"])} & bench.saved_names()
        again = bench.do("lio_absent", {"wwn": wwn(bench)})
        undone = bench.undo(result)
        back = kernel.holds(bench, wanted)
        twice = bench.undo(result)
        take_away(bench, wwn(bench))

        assert gone == {"storage_objects": [], "targets": []}
        assert saved == set()
        assert (again.status, again.items[0].made) == (OK, ())
        assert [item.error for item in undone] == [""]
        assert back
        assert "was changed again since" in twice[0].error
        assert twice[0].left_behind

    def test_a_change_that_was_changed_again_is_not_undone(self, bench: Bench) -> None:
        volumes(bench)
        put(bench, fragment(bench, [block(bench)]))
        result = bench.do("lio_fragment", {"fragment": fragment(bench, [block(bench)], node_acls=[acl(OTHER)])})
        latest = fragment(bench, [block(bench)], node_acls=[acl(), acl(OTHER)])
        put(bench, latest)

        undone = bench.undo(result)
        there = kernel.holds(bench, latest)
        take_away(bench, wwn(bench))

        assert "was changed again since" in undone[0].error
        assert RECORDS in undone[0].left_behind[0]
        assert there

    def test_a_lun_of_one_template_that_is_changed_is_undone_as_well(self, bench: Bench) -> None:
        (lun_of_ours,) = bench.luns(1)
        bench.create([lun_of_ours])
        other = dataclasses.replace(lun_of_ours, initiators=(OTHER,))

        plan = bench.only(bench.create_plan([other]), "lio_target")
        changed_ = bench.run(plan)
        undone = bench.undo(*changed_.tasks)
        acls = bench.acls(lun_of_ours)
        bench.delete([lun_of_ours])

        assert [item.error for item in undone] == [""]
        assert acls == set(lun_of_ours.initiators)

    # -- discovery --------------------------------------------------------------------------------------------

    def test_discovery_is_authenticated_saved_restored_and_undone(self, bench: Bench) -> None:
        base = f"{ISCSI}/discovery_auth"
        volumes(bench)
        put(bench, fragment(bench, [block(bench)]))
        asked = {"enable": True, "userid": "disco", "password": "canary-disco-1", "mutual_userid": "m"}
        asked["mutual_password"] = "canary-disco-2"

        looked = one(bench.do("lio_discovery", asked, check=True))
        untouched = bench.eyes.read(f"{base}/enforce_discovery_auth").strip()
        result = bench.do("lio_discovery", asked)
        again = one(bench.do("lio_discovery", asked))
        (module,) = [each for each in bench.saved()["fabric_modules"] if each["name"] == "iscsi"]
        kernel.restore(bench)
        restored = [bench.eyes.read(f"{base}/{name}").strip() for name in ("enforce_discovery_auth", "userid")]
        unchanged = one(bench.do("lio_discovery", asked))
        undone = bench.undo(result)
        open_again = bench.eyes.read(f"{base}/enforce_discovery_auth").strip()
        secrets = bench.eyes.read(f"{base}/password").strip()
        saved = bench.eyes.read(SAVECONFIG)
        take_away(bench, wwn(bench))

        assert looked.changes == one(result).changes
        assert untouched == "0"
        assert (one(result).error, again.changes, unchanged.changes) == ("", (), ())
        assert module["discovery_enable_auth"] is True
        assert module["discovery_password"] == "canary-disco-1"
        assert restored == ["1", "disco"]
        assert [item.error for item in undone] == [""]
        assert open_again == "0"
        assert secrets in ("", "NULL")
        assert "canary-disco" not in saved + repr((looked, result, again, undone))

    # -- secrets ----------------------------------------------------------------------------------------------

    def test_secrets_are_in_the_kernel_and_in_private_files_and_nowhere_else(self, bench: Bench) -> None:
        volumes(bench)
        canary = "canary-s3cret-%d"
        secrets = {
            "chap_userid": "u",
            "chap_password": canary % 1,
            "chap_mutual_userid": "m",
            "chap_mutual_password": canary % 2,
        }
        wanted = fragment(bench, [block(bench)], node_acls=[acl(**secrets)], chap_userid="t", chap_password=canary % 3)
        other = copy.deepcopy(wanted)
        tpg_of(other)["node_acls"][0]["chap_password"] = canary % 4
        clash = changed(other, portals=[{"ip_address": "127.0.0.1", "port": 3999, "iser": True}])

        told = [
            bench.do("lio_fragment", {"fragment": wanted}, check=True),
            bench.do("lio_fragment", {"fragment": wanted}),
            bench.do("lio_fragment", {"fragment": clash}),
            bench.do("lio_fragment", {"fragment": other}),
        ]
        undone = bench.undo(told[-1])
        read = bench.eyes.read(f"{ISCSI}/{wwn(bench)}/tpgt_1/acls/{INITIATOR}/auth/password").strip()
        saved, records = bench.eyes.read(SAVECONFIG), bench.eyes.read(RECORDS)
        modes = bench.eyes.mode(SAVECONFIG), bench.eyes.mode(RECORDS)
        take_away(bench, wwn(bench))

        assert [each.status for each in told] == [CHANGED, CHANGED, FAILED, CHANGED]
        assert "canary" not in repr(told) + repr(undone)
        assert read == canary % 1
        assert canary % 1 in saved
        assert canary % 1 in records
        assert modes in ((None, None), (0o600, 0o600))
