"""file: have a file, folder or link there, or not there, with an owner, a group and a mode.

    {"path": "/srv/x", "state": "" or file|directory|link|absent|touch, "src": "", "owner": …, "group": …, "mode": …,
     "force": false, "recurse": false}

Nobody's data is lost: a folder with something in it goes only with `recurse`, and never /, a folder with something in
it right below /, a mount point, the mount point of a dataset, nor what one of them is below of.
"""

from __future__ import annotations

import os

from lunops.agent import keep
from lunops.agent.attributes import Wanted, told
from lunops.agent.files import FILE, FOLDER, LINK
from lunops.agent.holders import mounts
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import UndoKind

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_NEW_FOLDER = 0o755
_MOST = 1000  # paths below a folder that are told and can be taken back one by one


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task; a loop's order is kept."""
    work.each(items, lambda item, outcome: _One(work, item.args, outcome).do(), forks=1)


class _One:
    """One item: each step is told, and unless it is check mode, done."""

    def __init__(self, work: Work, args: Dict[str, Any], outcome: Outcome) -> None:
        self._work = work
        self._system = work.system
        self._args = args
        self._outcome = outcome
        self._path = os.path.normpath(args["path"])

    def do(self) -> None:
        now = self._system.info(self._path)
        state = self._args["state"] or ("link" if self._args["src"] else "")
        if state == "absent":
            self._absent()
        elif state == "link":
            self._link()
        elif state == "directory":
            self._folder()
        elif state == "touch":
            self._touch()
        elif now is None:
            raise ItemError(
                "%s does not exist" % self._path, "make it with copy, or with state: touch, directory or link"
            )
        elif state == "file" and now.kind != FILE:
            raise ItemError("%s is a %s, and no file" % (self._path, now.kind), "name a file, or leave state out")
        else:
            self._attributes(self._path)
        self._outcome.data = dict(told(self._system, self._path), dest=self._path)

    def _step(self, path: str, told: str, do: Callable[[], None]) -> None:
        self._outcome.changes.append(told)
        if self._work.check:
            return
        before = keep.state(self._system, path, content=True)
        do()
        self._outcome.made.append(keep.made(self._system, path, before))

    def _attributes(self, path: str) -> None:
        now = self._system.info(path)
        wanted = Wanted(self._system, self._args)
        if now is None:
            return  # in check mode: it would be new
        different = wanted.differences(self._system, path, now)
        if different:
            self._step(path, " && ".join(different), lambda: wanted.apply(self._system, path, now))

    def _folder(self) -> None:
        missing: List[str] = []
        path = self._path
        while self._system.info(path, follow=True) is None:
            if self._system.info(path) is not None:
                raise ItemError("%s is a link that leads nowhere" % path, "mend or remove it first")
            missing.append(path)
            path = os.path.dirname(path)
        found = self._system.info(path, follow=True)
        if found is None or found.kind != FOLDER:
            raise ItemError("%s is a file, and no folder" % path, "remove it first, or name another")
        Wanted(self._system, self._args)  # an unknown owner is told before anything is made
        for path in reversed(missing):
            self._step(path, "mkdir %s" % path, lambda: self._make(path))  # noqa: B023 - called at once
        if not missing:
            self._attributes(self._path)
        for path in _below(self._system, self._path) if self._args["recurse"] else ():
            self._attributes(path)

    def _make(self, path: str) -> None:
        self._system.mkdir(path)
        self._system.chmod(path, _NEW_FOLDER)
        now = self._system.info(path)
        if now is not None:
            Wanted(self._system, self._args).apply(self._system, path, now)

    def _touch(self) -> None:
        now = self._system.info(self._path, follow=True)
        if now is None:
            self._step(self._path, "touch %s" % self._path, lambda: self._system.touch(self._path))
        else:
            self._outcome.changes.append("touch %s" % self._path)
            if not self._work.check:
                self._system.touch(self._path)
        self._attributes(self._path)

    def _link(self) -> None:
        source, now = self._args["src"], self._system.info(self._path)
        leads = source if source.startswith("/") else "%s/%s" % (os.path.dirname(self._path), source)
        if self._system.info(leads, follow=True) is None and not self._args["force"]:
            raise ItemError("%s, which the link is to lead to, does not exist" % leads, "make it first, or force: true")
        if now is None or now.kind != LINK or self._system.readlink(self._path) != source:
            if now is not None and now.kind == FOLDER:
                raise ItemError("%s is a folder, and is not replaced by a link" % self._path, "remove it first")
            if now is not None and now.kind != LINK and not self._args["force"]:
                raise ItemError("%s is a file" % self._path, "remove it first, or force: true replaces it")
            self._step(self._path, "ln -s %s %s" % (source, self._path), lambda: self._put_link(source))
        self._attributes(self._path)

    def _put_link(self, source: str) -> None:
        if self._system.exists(self._path):
            self._system.unlink(self._path)
        self._system.symlink(source, self._path)

    def _absent(self) -> None:
        now = self._system.info(self._path)
        if now is None:
            return
        if now.kind != FOLDER:
            self._step(self._path, "rm %s" % self._path, lambda: self._system.unlink(self._path))
            return
        inside = self._system.listdir(self._path)
        _refuse_what_is_not_to_go(self._system, self._path, inside)
        if not inside:
            self._step(self._path, "rmdir %s" % self._path, lambda: self._system.rmdir(self._path))
            return
        if not self._args["recurse"]:
            shown = ", ".join(inside[:5]) + (" …" if len(inside) > 5 else "")
            raise ItemError("%s is not empty: %s" % (self._path, shown), "recurse: true removes all of it")
        self._outcome.changes.append("rm -r %s" % self._path)
        if not self._work.check:
            self._system.remove_tree(self._path)
            self._outcome.made.append(["tree", self._path])


def _below(system: System, folder: str) -> List[str]:
    """Return all paths below a folder, in order; raises ItemError where there are too many."""
    found: List[str] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for name in system.listdir(here):
            path = "%s/%s" % (here, name)
            found.append(path)
            if system.is_dir(path):
                waiting.append(path)
        if len(found) > _MOST:
            raise ItemError(
                "more than %d files are below %s" % (_MOST, folder), "use command, with chown -R or chmod -R"
            )
    return sorted(found)


def _refuse_what_is_not_to_go(system: System, path: str, inside: Sequence[str]) -> None:
    real = system.resolve(path)
    if real == "/" or (inside and real.count("/") == 1):
        raise ItemError("%s is not removed" % real, "a folder of the system's own stays; name what is in it")
    for folder, what in [*_mounted(system), *_datasets(system)]:
        if folder == real or folder.startswith(real + "/"):
            raise ItemError(
                "%s is %s, and is not removed" % (folder, what),
                "unmount it first (zfs_destroy destroys a dataset), or name something else",
            )


def _mounted(system: System) -> List[tuple[str, str]]:
    return [(folder, "where %s is mounted" % source) for source, folder in mounts(system)]


def _datasets(system: System) -> List[tuple[str, str]]:
    """Return where file systems of ZFS belong, mounted or not."""
    output = system.run(["zfs", "list", "-Hp", "-t", "filesystem", "-o", "name,mountpoint"])
    pairs = [line.split("\t") for line in output.out.splitlines()] if output.code == 0 else []
    return [(pair[1], "the mount point of %s" % pair[0]) for pair in pairs if len(pair) == 2 and pair[1][:1] == "/"]


def _no_way_back(_work: Work, step: Sequence[Any], _outcome: Outcome) -> None:
    raise ItemError("what was in %s is gone" % step[1], "restore it from a copy, if there is one")


KINDS: Dict[str, UndoKind] = {
    "tree": UndoKind(_no_way_back, lambda step: "restore %s and what was in it from a copy" % step[1])
}
