"""Any fragment, applied by the agent's own code to a simulated head, reads back as it was; and so does the next one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunops import fragment, fragment_bounds
from lunops.agent import backing, readback
from lunops.agent.outcome import Outcome
from lunops.agent.registry import load
from lunops.agent.work import Item, Work
from lunops.sim.head import SimulatedSystem

Fragment = dict[str, Any]

POOL = "tank"
WWN = "iqn.2024-01.org.example:any"
INITIATORS = [f"iqn.2024-01.org.example:i{number}" for number in range(4)]
GROUPS = {"g1": 1, "g2": 20, "g3": 65535}  # a name keeps its id: the kernel takes one once
HW_MOST = {"queue_depth": 128, "optimal_sectors": 8192}
PORTALS = [("10.0.0.1", 3260), ("10.0.0.2", 3260), ("127.0.0.1", 3261), ("[::1]", 3260), ("[fd00::2]", 3262)]
EVERY = [("0.0.0.0", 3270), ("[::]", 3271)]


def numbers(bound: Any, name: str = "") -> st.SearchStrategy[int]:
    if bound.only:
        return st.sampled_from(bound.only)
    return st.integers(bound.least, min(bound.most, HW_MOST.get(name, bound.most)))


def table(bounds: Any, names: list[str] | None = None) -> st.SearchStrategy[dict[str, int]]:
    chosen = {name: numbers(bound, name) for name, bound in bounds.items() if names is None or name in names}
    return st.fixed_dictionaries({}, optional=chosen)


SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40).filter(
    lambda text: not text.upper().startswith("NULL")
)


@st.composite
def chap(draw: Callable[[Any], Any]) -> Fragment:
    kind = draw(st.sampled_from(["", "one", "both"]))
    found = {}
    if kind:
        found = {"chap_userid": draw(SECRET), "chap_password": draw(SECRET)}
    if kind == "both":
        found |= {"chap_mutual_userid": draw(SECRET), "chap_mutual_password": "m" + found["chap_password"][:200]}
    return found


@st.composite
def storage(draw: Callable[[Any], Any], number: int) -> Fragment:
    """Return storage object `number`: two are volumes, the third is a file."""
    is_file = number == 2
    newer = ("emulate_rsoc", "submit_type")  # this kernel has not got them
    # What the kernel fixes while the object is exported cannot differ from one fragment to the next.
    free = [name for name in fragment_bounds.STORAGE if name not in (*backing.FIXED_WHILE_EXPORTED, *newer)]
    attributes = draw(table(fragment_bounds.STORAGE, free))
    attributes.pop("emulate_write_cache", None)
    groups = []
    for name in draw(st.lists(st.sampled_from(sorted(GROUPS)), unique=True)):
        group = {"name": name, "tg_pt_gp_id": GROUPS[name], **draw(table(fragment_bounds.ALUA))}
        states = ("active_optimized", "active_nonoptimized", "standby", "unavailable")
        group.pop(f"alua_support_{states[group.get('alua_access_state', 0)]}", None)  # a state has to be supported
        groups.append(group)
    found: Fragment = {
        "plugin": "fileio" if is_file else "block",
        "name": f"so{number}",
        "dev": f"/srv/so{number}.img" if is_file else f"/dev/zvol/{POOL}/v{number}",
        "wwn": str(uuid5(NAMESPACE_URL, str(number))),
        "attributes": attributes,
        "alua_tpgs": groups,
    }
    if is_file:
        found |= {"size": 16 << 20, "write_back": True, "aio": False}
    elif draw(st.booleans()):
        found |= {"readonly": False, "write_back": False}
    return found


@st.composite
def acl(draw: Callable[[Any], Any], initiator: str, luns: list[int]) -> Fragment:
    mapped = [
        {"index": index, "tpg_lun": lun, "write_protect": draw(st.booleans())}
        for index, lun in zip(
            draw(st.lists(st.integers(0, 3), unique=True, max_size=len(luns))),
            draw(st.permutations(luns)),
            strict=False,
        )
    ]
    found: Fragment = {"node_wwn": initiator, "mapped_luns": mapped, **draw(chap())}
    if draw(st.booleans()):
        found["tcq_depth"] = draw(st.integers(1, 512))
    if draw(st.booleans()):
        found["tag"] = draw(st.from_regex(r"\A[a-z0-9_-]{1,60}\Z").filter(lambda text: not text.startswith("null")))
    attributes = draw(table(fragment_bounds.ACL))
    return {**found, "attributes": attributes} if attributes else found


@st.composite
def fragments(draw: Callable[[Any], Any]) -> Fragment:
    chosen = sorted(draw(st.lists(st.integers(0, 2), min_size=1, unique=True)))
    storages = [draw(storage(number)) for number in chosen]
    luns: list[Fragment] = []
    for number, each in zip(chosen, storages, strict=True):
        if draw(st.integers(0, 3)) == 0:
            continue
        lun = {"index": number * 7, "storage_object": f"/backstores/{each['plugin']}/{each['name']}"}
        if draw(st.booleans()):
            names = ["default_tg_pt_gp", *(group["name"] for group in each["alua_tpgs"])]
            lun["alua_tg_pt_gp_name"] = draw(st.sampled_from(names))
        luns.append({**lun, "alias": f"l{number}"} if number else lun)  # a link keeps the name that it was made with
    parameters = {}
    for name, bound in fragment_bounds.PARAMETERS.items():
        if not draw(st.booleans()):
            continue
        if isinstance(bound, fragment_bounds.Digits):
            parameters[name] = str(draw(st.integers(bound.least, bound.most)))
        elif isinstance(bound, fragment_bounds.Words) and bound.words:
            some = st.lists(st.sampled_from(bound.words), min_size=1, max_size=bound.most, unique=True)
            parameters[name] = ",".join(draw(some))
    attributes = draw(table(fragment_bounds.TPG))
    if attributes.get("authentication") == 1 and "AuthMethod" in parameters:
        parameters["AuthMethod"] = "CHAP"
    if attributes.get("generate_node_acls") == 1 and "cache_dynamic_acls" in attributes:
        attributes["cache_dynamic_acls"] = 1
    if attributes.get("cache_dynamic_acls") == 0:
        attributes["generate_node_acls"] = 0  # an earlier fragment's 1 would keep it at 1: refused, see the test below
    portals = draw(st.lists(st.sampled_from([*PORTALS, *EVERY]), unique=True, max_size=4))
    tpg = {
        "tag": 1,
        "enable": draw(st.booleans()),
        "attributes": attributes,
        "parameters": parameters,
        **draw(chap()),
        "luns": luns,
        "portals": [{"ip_address": address, "port": port} for address, port in portals],
        "node_acls": [
            draw(acl(initiator, [lun["index"] for lun in luns]))
            for initiator in draw(st.lists(st.sampled_from(INITIATORS), unique=True))
        ],
    }
    return {"storage_objects": storages, "targets": [{"fabric": "iscsi", "wwn": WWN, "tpgs": [tpg]}]}


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedSystem]:
    system = SimulatedSystem(tmp_path_factory.mktemp("head") / "head.sim", pools=[POOL])
    for number in range(2):
        assert system.run(["zfs", "create", "-s", "-V", "16M", f"{POOL}/v{number}"]).code == 0
    yield system
    system.close()


def do(system: SimulatedSystem, module: str, **args: Any) -> Outcome:
    heard: list[Outcome] = []
    work = Work(system, lambda _item, outcome, _seconds: heard.append(outcome))
    load(module)(work, [Item(WWN, {"wwn": WWN, "dataset": "", "storage_object": "", "strict": True, **args})])
    [outcome] = heard
    return outcome


def put(system: SimulatedSystem, wanted: Fragment) -> Outcome:
    checked = fragment.parse(copy.deepcopy(wanted), "here")
    assert checked == wanted
    return do(system, "lio_fragment", fragment=checked)


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return where two values differ, so that a failure can be read."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other})
        return [text for key in keys for text in differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [text for place, (a, b) in pairs for text in differences(a, b, f"{path}[{place}]")]
    return [] if one == other else [f"{path}: {one!r} is not {other!r}"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=20
)
@given(first=fragments(), second=fragments())
def test_a_fragment_reads_back_as_it_was_and_so_does_the_one_after_it(
    head: SimulatedSystem, first: Fragment, second: Fragment
) -> None:
    for wanted in (first, second):
        result = put(head, wanted)
        again = put(head, wanted)

        assert (result.error, result.rolled_back) == ("", [])
        assert again.changes == []
        assert differences(readback.like(head, wanted), readback.canonical(wanted)) == []
    assert head.reboot() == ()
    assert differences(readback.like(head, second), readback.canonical(second)) == []
    assert put(head, second).changes == []

    gone = do(head, "lio_absent")

    assert gone.error == ""
    assert readback.like(head, first) == readback.like(head, second) == {"storage_objects": [], "targets": []}
    assert head.listdir("/sys/kernel/config/target/core") == ["alua"]


def test_an_attribute_that_the_kernel_would_keep_is_refused_and_not_written_for_ever(
    head: SimulatedSystem,
) -> None:
    def wanting(**attributes: int) -> Fragment:
        tpg = {"tag": 1, "attributes": attributes, "luns": [], "portals": [], "node_acls": []}
        return {"storage_objects": [], "targets": [{"fabric": "iscsi", "wwn": WWN, "tpgs": [tpg]}]}

    assert do(head, "lio_fragment", fragment=wanting(generate_node_acls=1)).error == ""
    refused = do(head, "lio_fragment", fragment=wanting(cache_dynamic_acls=0))
    taken = do(head, "lio_fragment", fragment=wanting(cache_dynamic_acls=0, generate_node_acls=0))
    do(head, "lio_absent")

    assert "cache_dynamic_acls cannot be 0" in refused.error
    assert "generate_node_acls: 0" in refused.fix
    assert refused.made == []
    assert taken.error == ""
