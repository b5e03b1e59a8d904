"""Files beyond what the kernel shows: their bytes, owners, modes and times. Part of `System`."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable

FILE, FOLDER, LINK, BLOCK, OTHER = "file", "dir", "link", "block", "other"
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK, stat.S_IFBLK: BLOCK}


class Info:
    """What stands at a path."""

    def __init__(self, kind: str, size: int, mode: int, uid: int, gid: int, mtime: float) -> None:
        self.kind = kind
        self.size = size
        self.mode = mode  # the permission bits alone
        self.uid = uid
        self.gid = gid
        self.mtime = mtime


class Files:
    """What `System` can do with ordinary files. Errors are `OSError`s."""

    def info(self, path: str, *, follow: bool = False) -> Info | None:
        """Return what stands at the path, or at the end of its links; None where nothing does."""
        try:
            found = os.stat(path) if follow else os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), OTHER)
        return Info(kind, found.st_size, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime)

    def read_bytes(self, path: str) -> bytes:
        """Return what is in a file."""
        with open(path, "rb") as file:
            return file.read()

    def sha1(self, path: str) -> str:
        """Return the SHA-1 of what is in a file, of whatever size: to tell contents apart, not to trust them."""
        import hashlib  # this, as the other imports below, would cost every start of an agent

        found = hashlib.sha1()
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                found.update(piece)
        return found.hexdigest()

    def put_file(
        self, path: str, data: bytes, mode: int, uid: int, gid: int, check: Callable[[str], None] | None = None
    ) -> None:
        """Make or replace a file, so that a crash leaves the old or the new one whole; a link is replaced itself.

        `check` gets the path of the new file before it is in its place, and raises to keep it from there.
        """
        temporary = "%s/.%s.lunops-%d" % (os.path.dirname(path), os.path.basename(path)[:200], os.getpid())
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(handle, "wb") as file:
                file.write(data)
                found = os.fstat(handle)
                if (found.st_uid, found.st_gid) != (uid, gid):
                    os.fchown(handle, uid, gid)
                os.fchmod(handle, mode)  # after the owner, whose change takes setuid away
                file.flush()
                os.fsync(handle)
            if check is not None:
                check(temporary)
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        handle = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits of what a path leads to."""
        os.chmod(path, mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        """Set the owner and the group of what stands at the path, a link itself."""
        os.chown(path, uid, gid, follow_symlinks=False)

    def touch(self, path: str) -> None:
        """Have a file there, changed just now."""
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o644))
        os.utime(path)

    def remove_tree(self, path: str) -> None:
        """Remove a folder and all below it, following no link."""
        import shutil

        if not shutil.rmtree.avoids_symlink_attacks:
            raise OSError(errno.ENOTSUP, "this Python cannot remove a folder safely", path)
        shutil.rmtree(path)

    def user_id(self, name: str) -> int | None:
        """Return a user's number; None if there is none of that name."""
        import pwd

        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            return None

    def group_id(self, name: str) -> int | None:
        """Return a group's number; None if there is none of that name."""
        import grp

        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            return None

    def user_name(self, number: int) -> str:
        """Return a user's name, the empty text if the number has none."""
        import pwd

        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:
            return ""

    def group_name(self, number: int) -> str:
        """Return a group's name, the empty text if the number has none."""
        import grp

        try:
            return grp.getgrgid(number).gr_name
        except KeyError:
            return ""

    def ids(self) -> tuple[int, int]:
        """Return the user and group that new files of ours belong to."""
        return os.geteuid(), os.getegid()
