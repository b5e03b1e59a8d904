"""copy, template, file and stat on this very machine, in folders of the test's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lunops.connections import connect
from lunops.connections.session import Session
from lunops.errors import InputError
from lunops.inventory import parse
from lunops.model import ItemResult, Status, Task
from lunops.modules import MODULES, Context
from lunops.render import Templates
from lunops.resources import FolderFiles

HOST = parse("here connection=local tier=gold", Path("inv")).hosts["here"]
TEMPLATES = Templates({"motd.j2": "tier {{ tier }}\n{% if n is defined %}n {{ n }}\n{% endif %}end\n"})
OK, CHANGED, FAILED = Status.OK, Status.CHANGED, Status.FAILED


@pytest.fixture
def session() -> Iterator[Session]:
    session = connect(HOST)
    yield session
    session.close()


def do(session: Session, module: str, args: Any, *, check: bool = False, **context: Any) -> ItemResult:
    item = MODULES[module].item(args, Context(host=HOST, templates=TEMPLATES, **context), "plan.yml:3")
    task = Task(id="01:x", name="x", module=module, items=(item,))
    (result,) = session.run(task, check=check).items
    return result


def undo(session: Session, *results: ItemResult) -> ItemResult:
    (result,) = session.undo("01", {"x": [step for each in results for step in each.made]})
    return result


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:04o}"


# -- copy -------------------------------------------------------------------------------------------------------------


def test_copy_puts_a_content_and_the_second_time_does_nothing(session: Session, tmp_path: Path) -> None:
    args = {"content": "a\nb\n", "dest": f"{tmp_path}/x", "mode": "0640"}

    would = do(session, "copy", args, check=True)
    assert (would.status, list(tmp_path.iterdir())) == (CHANGED, [])
    item = do(session, "copy", args)

    assert item.changes == would.changes == (f"write {tmp_path}/x (4 bytes)",)
    assert ((tmp_path / "x").read_text(), mode(tmp_path / "x")) == ("a\nb\n", "0640")
    assert item.data["checksum"] == hashlib.sha1(b"a\nb\n").hexdigest()
    assert (item.data["mode"], item.data["size"], item.data["state"]) == ("0640", 4, "file")
    assert do(session, "copy", args).status is OK
    assert do(session, "copy", args, check=True).status is OK
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_difference_of_a_text_is_told_and_of_what_is_none_its_sizes(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a\nb\nc\n")
    item = do(session, "copy", {"content": "a\nB\nc", "dest": str(path)}, check=True)
    assert item.data["diff"] == [
        *(f"--- {path}", f"+++ {path}", "@@ -1,3 +1,3 @@", " a", "-b", "-c", "+B", "+c\\ No newline at end of file")
    ]
    path.write_bytes(b"\0\1")
    item = do(session, "copy", {"content": "a", "dest": str(path)}, check=True)
    assert item.data["diff"] == [f"{path}: 2 bytes → 1 bytes"]
    assert do(session, "copy", {"content": "a\n", "dest": f"{tmp_path}/new"}, check=True).data["diff"] == [
        *("--- /dev/null", f"+++ {tmp_path}/new", "@@ -0,0 +1 @@", "+a")
    ]


def test_a_file_beside_the_playbook_keeps_its_name_in_a_folder(session: Session, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "motd").write_bytes(b"\xff\0")
    (tmp_path / "motd").write_text("not this one")
    (tmp_path / "to").mkdir()

    do(session, "copy", {"src": "motd", "dest": f"{tmp_path}/to/"}, files=FolderFiles(tmp_path))

    assert (tmp_path / "to" / "motd").read_bytes() == b"\xff\0"


def test_a_backup_keeps_the_old_file_and_no_force_leaves_it(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    assert do(session, "copy", {"content": "new", "dest": str(path), "force": False}).status is OK
    assert path.read_text() == "old"

    item = do(session, "copy", {"content": "new", "dest": str(path), "backup": True})

    assert Path(item.data["backup_file"]).read_text() == "old"
    assert Path(item.data["backup_file"]).name.startswith("x.20")
    assert path.read_text() == "new"


def test_what_its_check_refuses_is_not_put_in_place(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    item = do(session, "copy", {"content": "new", "dest": str(path), "validate": "grep -q good %s"})
    assert item.status is FAILED
    assert "`grep -q good %s` refuses it" in item.error
    assert (path.read_text(), [each.name for each in tmp_path.iterdir()]) == ("old", ["x"])
    assert do(session, "copy", {"content": "good", "dest": str(path), "validate": "grep -q good %s"}).status is CHANGED


def test_only_owner_and_mode_are_set_where_the_content_is_right(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a")
    path.chmod(0o600)
    inode = path.stat().st_ino
    item = do(session, "copy", {"content": "a", "dest": str(path), "mode": "0604"})
    assert item.changes == (f"chmod 0604 {path}",)
    assert (mode(path), path.stat().st_ino) == ("0604", inode)
    assert undo(session, item).status is CHANGED
    assert mode(path) == "0600"


def test_what_was_there_before_is_put_back_by_an_undo(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    made = do(session, "copy", {"content": "1", "dest": str(path)})
    path.chmod(0o640)
    changed = do(session, "copy", {"content": "2", "dest": str(path)})
    assert mode(path) == "0640"  # as it was, where nothing else is said
    assert undo(session, changed).changes == (f"put {path} back",)
    assert (path.read_text(), mode(path)) == ("1", "0640")
    path.chmod(0o644)
    assert undo(session, made).changes == (f"remove {path}",)
    assert not path.exists()


def test_a_link_in_its_place_is_replaced_and_comes_back(session: Session, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / "x").symlink_to("other")
    item = do(session, "copy", {"content": "new", "dest": f"{tmp_path}/x"})
    assert ((tmp_path / "other").read_text(), (tmp_path / "x").is_symlink()) == ("other", False)
    undo(session, item)
    assert os.readlink(tmp_path / "x") == "other"


def test_an_undo_leaves_what_others_have_changed_since(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    item = do(session, "copy", {"content": "1", "dest": str(path)})
    path.write_text("someone's")
    result = undo(session, item)
    assert (result.status, result.left_behind) == (FAILED, (f"rm -d {path}",))
    assert path.read_text() == "someone's"


def test_what_is_too_big_to_keep_is_told_as_left_behind(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * ((1 << 20) + 1))
    item = do(session, "copy", {"content": "1", "dest": str(path)})
    result = undo(session, item)
    assert "too big to be kept" in result.error
    assert f"restore {path} from a copy" in result.left_behind[0]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"content": "x", "dest": "{}/no/x"}, "no does not exist"),
        ({"content": "x", "dest": "{}/no/"}, "no/ does not exist"),
        ({"content": "x", "dest": "{}"}, "is a folder"),
        ({"content": "x", "dest": "{}/x", "owner": "no-such-user-here"}, "there is no user 'no-such-user-here'"),
        ({"content": "x", "dest": "/dev/null"}, "/dev/null is a other, and no file"),
    ],
)
def test_what_cannot_be_put_there_is_said_in_check_mode_too(
    session: Session, tmp_path: Path, args: Any, said: str
) -> None:
    args = {**args, "dest": args["dest"].format(tmp_path)}
    for check in (True, False):
        assert said in do(session, "copy", args, check=check).error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "args", "said"),
    [
        ("copy", {"dest": "/x"}, "give one of 'src' and 'content'"),
        ("copy", {"dest": "/x", "content": "a", "mode": 0o644}, "a mode is text, not the number 420"),
        ("copy", {"dest": "/x", "content": "a", "mode": "u+x"}, "'u+x' is not a mode in octal digits"),
        ("copy", {"dest": "x", "content": "a"}, "'x' is not an absolute path"),
        ("copy", {"dest": "/x", "content": "a", "validate": "true"}, "does not say where the file goes"),
        ("copy", {"dest": "/x", "content": "a" * ((5 << 20) + 1)}, "more than the 5242880 that travel in a task"),
        ("copy", {"dest": "/x", "content": True}, "is no text"),
        ("copy", {"dest": "/x", "src": "mtd"}, "did you mean 'motd'?"),
        ("copy", {"dest": "/x", "src": "../motd"}, "not the name of a file beside the playbook"),
        ("copy", {"dest": "/x", "src": "/etc/passwd"}, "not the name of a file beside the playbook"),
        ("copy", {"dest": "/x", "src": "big"}, "more than the 5242880 that travel in a task"),
        ("template", {"dest": "/x", "src": "mtd.j2"}, "did you mean 'motd.j2'?"),
        ("file", {"path": "/x", "state": "link"}, "a link needs 'src'"),
        ("file", {"path": "/x", "state": "absent", "mode": "0600"}, "has no owner, group or mode"),
        ("file", {"path": "/x", "recurse": True}, "'recurse' is for state: directory or absent"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, module: str, args: Any, said: str) -> None:
    (tmp_path / "motd").write_text("x")
    with (tmp_path / "big").open("wb") as file:
        file.truncate((5 << 20) + 1)
    context = Context(host=HOST, templates=TEMPLATES, files=FolderFiles(tmp_path))
    with pytest.raises(InputError) as error:
        MODULES[module].item(args, context, "plan.yml:3")
    assert said in str(error.value)


# -- template ---------------------------------------------------------------------------------------------------------


def test_a_template_is_filled_in_with_the_hosts_variables_or_the_tasks_and_ends_as_it_does(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "to").mkdir()
    args = {"src": "motd.j2", "dest": f"{tmp_path}/to"}
    do(session, "template", args)
    assert (tmp_path / "to" / "motd").read_text() == "tier gold\nend\n"
    item = do(session, "template", args, variables={"tier": "x", "n": 1})
    assert (tmp_path / "to" / "motd").read_text() == "tier x\nn 1\nend\n"
    assert "+n 1" in item.data["diff"]


# -- file -------------------------------------------------------------------------------------------------------------


def test_a_folder_is_made_with_those_above_it_and_taken_back(session: Session, tmp_path: Path) -> None:
    args = {"path": f"{tmp_path}/a/b", "state": "directory", "mode": "0750"}
    would = do(session, "file", args, check=True)
    item = do(session, "file", args)
    assert would.changes == item.changes == (f"mkdir {tmp_path}/a", f"mkdir {tmp_path}/a/b")
    assert mode(tmp_path / "a" / "b") == "0750"
    assert do(session, "file", args).status is OK
    undo(session, item)
    assert list(tmp_path.iterdir()) == []


def test_recurse_sets_the_mode_of_all_below_but_of_no_link(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "out").write_text("x")
    (tmp_path / "out").chmod(0o600)
    (tmp_path / "a" / "b" / "l").symlink_to(tmp_path / "out")
    (tmp_path / "a" / "f").write_text("x")
    item = do(session, "file", {"path": f"{tmp_path}/a", "state": "directory", "recurse": True, "mode": "0700"})
    assert (mode(tmp_path / "a" / "b"), mode(tmp_path / "a" / "f"), mode(tmp_path / "out")) == ("0700", "0700", "0600")
    undo(session, item)
    assert mode(tmp_path / "a" / "f") == "0644"


def test_a_link_is_made_changed_and_taken_back(session: Session, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    link = tmp_path / "l"
    first = do(session, "file", {"path": str(link), "src": "one", "state": "link"})
    second = do(session, "file", {"path": str(link), "src": f"{tmp_path}/two"})
    assert link.read_text() == "2"
    assert do(session, "file", {"path": str(link), "src": f"{tmp_path}/two"}).status is OK
    undo(session, first, second)
    assert not link.is_symlink()
    assert "does not exist" in do(session, "file", {"path": str(link), "src": "none"}).error
    assert do(session, "file", {"path": str(link), "src": "none", "force": True}).status is CHANGED
    (tmp_path / "f").write_text("mine")
    assert "is a file" in do(session, "file", {"path": f"{tmp_path}/f", "src": "one"}).error


def test_touch_makes_a_file_and_then_changes_its_time(session: Session, tmp_path: Path) -> None:
    args = {"path": f"{tmp_path}/x", "state": "touch", "mode": "0600"}
    item = do(session, "file", args)
    assert ((tmp_path / "x").read_text(), mode(tmp_path / "x")) == ("", "0600")
    os.utime(tmp_path / "x", (1, 1))
    assert do(session, "file", args).status is CHANGED
    assert (tmp_path / "x").stat().st_mtime > 1
    undo(session, item)
    assert not (tmp_path / "x").exists()


def test_what_is_there_is_only_set_right_and_what_is_not_is_an_error(session: Session, tmp_path: Path) -> None:
    assert "does not exist" in do(session, "file", {"path": f"{tmp_path}/x", "mode": "0600"}).error
    (tmp_path / "x").write_text("x")
    assert do(session, "file", {"path": f"{tmp_path}/x", "mode": "0600"}).status is CHANGED
    assert "and no file" in do(session, "file", {"path": str(tmp_path), "state": "file"}).error
    assert "is a file" in do(session, "file", {"path": f"{tmp_path}/x", "state": "directory"}).error


def test_absent_takes_a_file_a_link_and_an_empty_folder_and_undo_brings_them_back(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "f").chmod(0o604)
    (tmp_path / "l").symlink_to("f")
    (tmp_path / "d").mkdir(mode=0o711)
    for name in "lfd":
        item = do(session, "file", {"path": f"{tmp_path}/{name}", "state": "absent"})
        assert item.status is CHANGED, item
        assert not os.path.lexists(tmp_path / name)
        assert do(session, "file", {"path": f"{tmp_path}/{name}", "state": "absent"}).status is OK
        assert undo(session, item).status is CHANGED
    assert ((tmp_path / "f").read_text(), mode(tmp_path / "f"), mode(tmp_path / "d")) == ("x", "0604", "0711")
    assert os.readlink(tmp_path / "l") == "f"


def test_a_folder_with_something_in_it_goes_only_if_that_is_said(session: Session, tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "x").write_text("x")
    (tmp_path / "d" / "e" / "l").symlink_to(tmp_path / "keep")
    args = {"path": f"{tmp_path}/d", "state": "absent"}
    assert "is not empty: e" in do(session, "file", args).error
    assert (tmp_path / "d" / "e").is_dir()
    assert do(session, "file", {**args, "recurse": True}, check=True).changes == (f"rm -r {tmp_path}/d",)
    assert (tmp_path / "d" / "e").is_dir()
    item = do(session, "file", {**args, "recurse": True})
    assert not (tmp_path / "d").exists()
    assert (tmp_path / "keep" / "x").exists()
    assert undo(session, item).left_behind == (f"restore {tmp_path}/d and what was in it from a copy",)


@pytest.mark.parametrize("path", ["/", "/proc", "/sys", "//", "/proc/../", "/etc", "/usr", "/dev"])
def test_the_systems_own_folders_and_mount_points_never_go(session: Session, path: str) -> None:
    item = do(session, "file", {"path": path, "state": "absent", "recurse": True}, check=True)
    assert item.status is FAILED
    assert "is not removed" in item.error


def test_what_a_mount_point_is_below_of_never_goes(session: Session, tmp_path: Path) -> None:
    inside = tmp_path / "a b" / "mnt"
    inside.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "none", inside], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (inside / "precious").write_text("x")
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "a b")
        for path in (inside, tmp_path / "a b", tmp_path, link / "mnt"):
            item = do(session, "file", {"path": str(path), "state": "absent", "recurse": True})
            assert "is where none is mounted, and is not removed" in item.error
        assert (inside / "precious").exists()
    finally:
        subprocess.run(["umount", inside], check=True)


# -- stat -------------------------------------------------------------------------------------------------------------


def test_stat_tells_what_ansibles_does(session: Session, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "f").chmod(0o640)
    (tmp_path / "l").symlink_to("f")
    found = do(session, "stat", {"path": f"{tmp_path}/f"}).data["stat"]
    assert {key: found[key] for key in ("exists", "isreg", "isdir", "islnk", "size", "mode", "uid")} == {
        **{"exists": True, "isreg": True, "isdir": False, "islnk": False, "size": 1, "mode": "0640"},
        "uid": os.getuid(),
    }
    assert found["checksum"] == hashlib.sha1(b"x").hexdigest()
    assert "checksum" not in do(session, "stat", {"path": f"{tmp_path}/f", "get_checksum": False}).data["stat"]
    link = do(session, "stat", {"path": f"{tmp_path}/l"}).data["stat"]
    assert (link["islnk"], link["lnk_source"], link["lnk_target"]) == (True, f"{tmp_path}/f", "f")
    assert do(session, "stat", {"path": f"{tmp_path}/l", "follow": True}).data["stat"]["isreg"]
    assert do(session, "stat", {"path": f"{tmp_path}/none"}).data == {"stat": {"exists": False}}
    assert do(session, "stat", {"path": f"{tmp_path}"}, check=True).data["stat"]["isdir"]
