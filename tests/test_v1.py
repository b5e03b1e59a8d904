"""REST v1.0 through WSGI, over heads and an engine in memory."""

from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest

from lunops.jobs import Jobs, Limits
from lunops.model import Json
from lunops.store import Filter
from lunops.web.app import make_app
from tests.service_support import Bench, Head, bench, clone, gone, request

BASE = "/lun/api/v1.0"


class Api:
    """The application and what is behind it."""

    def __init__(self, path: Path) -> None:
        self.bench: Bench = bench(path, Head())
        self.app = make_app(self.bench.jobs, items_max=50, body_max_bytes=100_000)

    def __call__(
        self, method: str, path: str, body: Json | bytes = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(self.app, method, f"{BASE}/{path}", body, named)

    @property
    def has_accepted_nothing(self) -> bool:
        return not self.bench.store.jobs(Filter()) and not self.bench.engine.queued


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def test_a_create_answers_at_once_with_exactly_status_and_job_id(api: Api) -> None:
    code, answer, headers = api("POST", "clone", {"clones": [clone()]})
    assert (code, answer) == (200, {"status": "ok", "job_id": answer["job_id"]})
    assert uuid.UUID(answer["job_id"]).version == 4
    assert headers["Content-Type"] == "application/json"
    assert api.bench.head.ran == []


def test_a_job_is_followed_from_pending_to_complete(api: Api) -> None:
    _, answer, _ = api("POST", "clone", {"clones": [clone("a"), clone("b", "p2")]})
    job = answer["job_id"]
    assert api("GET", f"clone_status/{job}")[1]["status"] == "pending"
    api.bench.run_all()
    code, done, _ = api("GET", f"clone_status/{job}")
    assert (code, done["status"], done["job_type"], done["num_requested"]) == (200, "complete", "create", 2)
    assert list(done) == [
        "status",
        "job_type",
        "num_requested",
        "num_clones",
        "num_targets",
        "num_completed",
        "percent_completed",
        "job_time",
        "clone_time",
        "udevd_time",
        "target_time",
        "other_time",
        "lag_time",
    ]
    assert all(isinstance(done[name], float) for name in done if name.endswith("_time") or name.startswith("percent"))


def test_the_body_of_a_delete_is_read(api: Api) -> None:
    _, answer, _ = api("DELETE", "clone", {"clones": [gone(deleteClones=True)]})
    api.bench.run_all()
    assert [task for _, task, _ in api.bench.head.ran] == ["01:lio_absent", "02:zfs_destroy"]
    assert api("GET", f"clone_status/{answer['job_id']}")[1]["job_type"] == "delete"


@pytest.mark.parametrize(
    ("flags", "destroys"),
    [
        ({"deleteClones": True}, True),
        ({"deleteClones": 1}, True),
        ({"deleteClone": True}, True),
        ({"deleteClone": 1, "deleteClones": True}, True),
        ({"deleteClones": 0}, False),
        ({"deleteClones": False}, False),
        ({}, False),
    ],
)
def test_clones_are_destroyed_only_when_asked(api: Api, flags: dict[str, Json], destroys: bool) -> None:
    assert api("DELETE", "clone", {"clones": [gone(**flags)]})[0] == 200
    api.bench.run_all()
    assert any(task == "02:zfs_destroy" for _, task, _ in api.bench.head.ran) is destroys


def test_a_delete_may_carry_what_the_create_did(api: Api) -> None:
    assert api("DELETE", "clone", {"clones": [clone(deleteClones=1, createParent=1)]})[0] == 200


def first_task(api: Api) -> dict[str, Any]:
    work = api.bench.store.begin(api.bench.engine.queued[-1], "token", worker="me", at=0.0, at_s=0.0)
    assert work is not None
    return dict(work.tasks[0].items[0].args)


@pytest.mark.parametrize(("flag", "means"), [(True, True), (False, False), (1, True), (0, False)])
def test_flags_are_true_false_1_and_0(api: Api, flag: Json, means: bool) -> None:
    assert api("POST", "clone", {"clones": [clone(createParent=flag)]})[0] == 200
    assert first_task(api)["create_parent"] is means


def test_iqns_are_lower_cased_and_an_initiator_named_twice_counts_once(api: Api) -> None:
    names = ["IQN.2024-01.org.Example:Boot", "iqn.2024-01.org.example:boot"]
    assert api("POST", "clone", {"clones": [clone(wwn="iqn.2024-01.ORG.example:N1", initiators=names)]})[0] == 200
    work = api.bench.store.begin(api.bench.engine.queued[-1], "token", worker="me", at=0.0, at_s=0.0)
    assert work is not None
    text = json.dumps(dict(work.tasks[2].items[0].args))
    assert "iqn.2024-01.org.example:n1" in text
    assert text.count('"node_wwn": "iqn.2024-01.org.example:boot"') == 1


def test_properties_reach_the_clone_as_text(api: Api) -> None:
    body = {"clones": [clone(properties={"compression": "lz4", "refreservation": 0})]}
    assert api("POST", "clone", body)[0] == 200
    assert first_task(api)["properties"] == {"compression": "lz4", "refreservation": "0"}


def without(item: dict[str, Json], name: str) -> dict[str, Json]:
    return {key: value for key, value in item.items() if key != name}


BAD_CREATES: list[tuple[Json, int | None, str, str]] = [
    ({}, None, "clones", "is missing"),
    ({"clones": []}, None, "clones", "must not be empty"),
    ({"clones": {}}, None, "clones", "must be a list"),
    ({"clones": None}, None, "clones", "must be a list"),
    ({"clones": [7]}, 0, "", "must be an object"),
    ({"clones": [clone()], "clone": []}, None, "clone", "unknown key 'clone'"),
    ({"clones": [clone(), without(clone("b"), "src")]}, 1, "src", "is missing"),
    ({"clones": [without(clone(), "dst")]}, 0, "dst", "is missing"),
    ({"clones": [without(clone(), "wwn")]}, 0, "wwn", "is missing"),
    ({"clones": [without(clone(), "initiators")]}, 0, "initiators", "is missing"),
    ({"clones": [clone(src="p1/images/golden")]}, 0, "src", "not a snapshot name"),
    ({"clones": [clone(src=7)]}, 0, "src", "not a snapshot name"),
    ({"clones": [clone(dst="p1/../etc")]}, 0, "dst", "not a dataset name"),
    ({"clones": [clone(dst="p1/a b")]}, 0, "dst", "not a dataset name"),
    ({"clones": [clone(dst="p1/a\n")]}, 0, "dst", "not a dataset name"),
    ({"clones": [clone(dst="p1/" + "a" * 300)]}, 0, "dst", "not a dataset name"),
    ({"clones": [clone(dst=["p1/a"])]}, 0, "dst", "not a dataset name"),
    ({"clones": [clone(dst="p1", src="p1/g@1")]}, 0, "dst", "is a pool"),
    ({"clones": [clone(pool="p3")]}, 0, "dst", "no head has the pool 'p3'"),
    ({"clones": [clone(src="p2/images/golden@1")]}, 0, "dst", "not in the pool of"),
    ({"clones": [clone(wwn="eui.02004567A425678D")]}, 0, "wwn", "not an IQN"),
    ({"clones": [clone(wwn="iqn.2024-01.org.example:a/b")]}, 0, "wwn", "not an IQN"),
    ({"clones": [clone(initiators=[])]}, 0, "initiators", "must not be empty"),
    ({"clones": [clone(initiators="iqn.2024-01.org.example:boot")]}, 0, "initiators", "must be a list"),
    ({"clones": [clone(initiators=["no"])]}, 0, "initiators[0]", "not an IQN"),
    ({"clones": [clone(createParent="1")]}, 0, "createParent", "must be true, false, 1 or 0"),
    ({"clones": [clone(createParent=2)]}, 0, "createParent", "must be true, false, 1 or 0"),
    ({"clones": [clone(createParent=1.0)]}, 0, "createParent", "must be true, false, 1 or 0"),
    ({"clones": [clone(createParent=None)]}, 0, "createParent", "must be true, false, 1 or 0"),
    ({"clones": [clone(createParents=1)]}, 0, "createParents", "unknown key"),
    ({"clones": [clone(properties=[])]}, 0, "properties", "must be an object"),
    ({"clones": [clone(properties={"lunops:lun": "x"})]}, 0, "properties", "lunops' own mark"),
    ({"clones": [clone(properties={"a=b": "x"})]}, 0, "properties", ""),
    ({"clones": [clone("a"), clone("b"), clone("c", dst="p1/nodes/a")]}, 2, "dst", "asked for twice, in items 0 and 2"),
    ({"clones": [clone("a"), clone("b", wwn="IQN.2024-01.org.example:A")]}, 1, "wwn", "twice, in items 0 and 1"),
    ({"clones": [clone(f"n{number}") for number in range(51)]}, None, "clones", "51 clones in one request"),
]


@pytest.mark.parametrize(("body", "item", "field", "message"), BAD_CREATES)
def test_a_bad_create_is_refused_with_its_item_and_field(
    api: Api, body: Json, item: int | None, field: str, message: str
) -> None:
    code, answer, _ = api("POST", "clone", body)
    assert (code, answer["status"]) == (400, "error")
    assert answer["message"]
    assert any(
        each.get("item") == item and each.get("field", "").startswith(field) and message in each["message"]
        for each in answer["errors"]
    ), answer
    assert api.has_accepted_nothing


def test_all_that_is_wrong_is_said_at_once(api: Api) -> None:
    _, answer, _ = api("POST", "clone", {"clones": [clone(dst="?"), clone("b", wwn="?"), clone("c", src=1)]})
    assert [(each["item"], each["field"]) for each in answer["errors"]] == [(0, "dst"), (1, "wwn"), (2, "src")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"clones": []}, "clones"),
        ({"clones": [without(gone(), "wwn")]}, "wwn"),
        ({"clones": [without(gone(), "dst")]}, "dst"),
        ({"clones": [gone(deleteClones="yes")]}, "deleteClones"),
        ({"clones": [gone(deleteClones=True, deleteClone=False)]}, "deleteClones"),
        ({"clones": [gone(deletClones=True)]}, "deletClones"),
        ({"clones": [gone(pool="p9")]}, "dst"),
        ({"clones": [gone(), gone()]}, "dst"),
    ],
)
def test_a_bad_delete_is_refused(api: Api, body: Json, field: str) -> None:
    code, answer, _ = api("DELETE", "clone", body)
    assert code == 400
    assert field in {each["field"] for each in answer["errors"]}
    assert api.has_accepted_nothing


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"clones"',
        b"clones=1&x=2",
        b"\xff\xfe",
        b'{"clones": NaN}',
        b'{"clones": Infinity}',
        b'{"clones": [{"dst": "\xff"}]}',
        b'{"clones": [{"dst": "\\ud800"}]}',
        b'{"clones": ' + b"[" * 40000 + b"]" * 40000 + b"}",
        b'{"clones": ' + b"9" * 5000 + b"}",
        b'{"clones": [{"createParent": ' + b"9" * 4500 + b"}]}",
        b'{"clones": [1e999]}',
        b'{"clones": []} trailing',
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_is_no_good_json_is_refused(api: Api, method: str, body: bytes) -> None:
    code, answer, _ = api(method, "clone", body)
    assert (code, answer["status"]) == (400, "error")
    assert api.has_accepted_nothing


def test_a_long_bad_value_is_not_sent_back_whole(api: Api) -> None:
    _, answer, _ = api("POST", "clone", {"clones": [clone(dst="?" * 50_000)]})
    assert len(json.dumps(answer)) < 3000


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    assert api("POST", "clone", b" " * 100_001)[0] == 413


def test_the_type_of_a_body_does_not_matter(api: Api) -> None:
    assert api("POST", "clone", {"clones": [clone()]}, Content_Type="text/plain")[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_service_can_be_tested(api: Api, method: str) -> None:
    assert api(method, "clone_test")[:2] == (200, {"status": "ok", "message": "test"})


def test_a_job_can_be_repeated_as_a_new_job(api: Api) -> None:
    _, first, _ = api("POST", "clone", {"clones": [clone()]})
    code, second, _ = api("POST", "clone_repeat", {"id": first["job_id"]})
    assert (code, second) == (200, {"status": "ok", "job_id": second["job_id"]})
    assert second["job_id"] != first["job_id"]
    api.bench.run_all()
    assert api("GET", f"clone_status/{second['job_id']}")[1]["status"] == "complete"
    assert len(api.bench.head.ran) == 6


def test_a_delete_can_be_repeated_too(api: Api) -> None:
    _, first, _ = api("DELETE", "clone", {"clones": [gone(deleteClone=1)]})
    _, second, _ = api("POST", "clone_repeat", {"id": first["job_id"]})
    assert api("GET", f"clone_status/{second['job_id']}")[1]["job_type"] == "delete"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"id": "c1c81af7-b6ac-4a5e-9f66-9afc99a48826"}, 404),
        ({"id": "1; drop table jobs"}, 400),
        ({"id": 7}, 400),
        ({}, 400),
        ([], 400),
    ],
)
def test_a_repeat_of_what_is_no_job_is_refused(api: Api, body: Json, code: int) -> None:
    assert api("POST", "clone_repeat", body)[0] == code
    assert api.has_accepted_nothing


@pytest.mark.parametrize(
    ("job", "code"), [("c1c81af7-b6ac-4a5e-9f66-9afc99a48826", 404), ("nope", 400), ("..%2f", 400)]
)
def test_the_status_of_what_is_no_job_is_refused(api: Api, job: str, code: int) -> None:
    found, answer, _ = api("GET", f"clone_status/{job}")
    assert (found, answer["status"]) == (code, "error")


def test_a_target_that_is_at_work_elsewhere_is_a_conflict(api: Api) -> None:
    api("POST", "clone", {"clones": [clone("a")]})
    code, answer, _ = api("POST", "clone", {"clones": [clone("a", "p2")]})
    assert (code, answer["status"]) == (409, "error")
    assert "at work on another head, jbod-01" in answer["message"]


def test_a_second_batch_on_the_same_names_waits_its_turn(api: Api) -> None:
    _, first, _ = api("POST", "clone", {"clones": [clone()]})
    _, second, _ = api("DELETE", "clone", {"clones": [gone(deleteClones=1)]})
    assert [each.split("-", 1)[1] for each in api.bench.engine.queued] == [f"{first['job_id']}-jbod-01"]
    api.bench.engine.run_one()
    api.bench.worker.admit()
    assert [each.split("-", 1)[1] for each in api.bench.engine.queued] == [f"{second['job_id']}-jbod-01"]


def test_too_many_jobs_are_refused_with_when_to_come_again(tmp_path: Path) -> None:
    made = bench(tmp_path, limits=Limits(queue_max=2))
    app = make_app(made.jobs, items_max=10, body_max_bytes=10_000)
    for name in ("a", "b"):
        assert request(app, "POST", "/lun/api/v1.0/clone", {"clones": [clone(name)]})[0] == 200
    code, answer, headers = request(app, "POST", "/lun/api/v1.0/clone", {"clones": [clone("c")]})
    assert (code, answer["status"], headers["Retry-After"]) == (429, "error", "60")
    assert "2 jobs are not over yet" in answer["message"]
    made.run_all()
    assert request(app, "POST", "/lun/api/v1.0/clone", {"clones": [clone("c")]})[0] == 200


def test_a_store_that_does_not_answer_is_said_and_nothing_is_taken(tmp_path: Path) -> None:
    made = bench(tmp_path)
    app = make_app(made.jobs, items_max=10, body_max_bytes=10_000)
    with made.store.database.engine.connect() as other:
        other.exec_driver_sql("DROP TABLE claims")
        other.commit()
    code, answer, headers = request(app, "POST", "/lun/api/v1.0/clone", {"clones": [clone()]})
    assert (code, headers["Retry-After"]) == (503, "10")
    assert "does not answer" in answer["message"]
    assert made.store.jobs(Filter()) == []


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "nothing", 404), ("GET", "clone", 405), ("PUT", "clone", 405), ("POST", "clone_status/x", 405)],
)
def test_other_paths_and_methods_are_refused_in_json(api: Api, method: str, path: str, code: int) -> None:
    found, answer, headers = api(method, path)
    assert (found, answer["status"], headers["Content-Type"]) == (code, "error", "application/json")
    if code == 405:
        assert headers["Allow"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost:bad"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_another_sites_page_makes_a_browser_send_is_refused(
    api: Api, method: str, headers: dict[str, str]
) -> None:
    item = clone() if method == "POST" else gone()
    assert api(method, "clone", {"clones": [item]}, **headers)[0] == 403
    assert api.has_accepted_nothing


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://localhost"}, {"Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "none"}]
)
def test_our_own_pages_and_tools_are_served(api: Api, headers: dict[str, str]) -> None:
    assert api("POST", "clone", {"clones": [clone()]}, **headers)[0] == 200


def test_an_error_of_ours_tells_a_number_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = bench(tmp_path)
    app = make_app(_Broken(made), items_max=1, body_max_bytes=1000)
    with caplog.at_level(logging.ERROR, logger="lunops.web"):
        code, answer, _ = request(app, "GET", f"{BASE}/clone_status/{uuid.uuid4()}")
    assert (code, list(answer)) == (500, ["status", "message"])
    assert "secret" not in json.dumps(answer)
    number = answer["message"].split()[-1]
    assert number in caplog.text
    assert "secret" in caplog.text


class _Broken(Jobs):
    def __init__(self, made: Bench) -> None:
        self._made = made

    def record(self, job_id: str) -> None:
        raise ZeroDivisionError(f"secret {job_id}")
