"""zfs receive of a simulated stream: what it makes, what it keeps of a cut one, and why it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lunops.sim import facts, partial
from lunops.sim.datasets import Dataset, Datasets, parent_name
from lunops.sim.faults import Struck
from lunops.sim.options import CommandError, Options
from lunops.sim.partial import Stream
from lunops.sim.properties import FILESYSTEM, SNAPSHOT, VOLUME
from lunops.sim.state import State
from lunops.sim.streaming import Command
from lunops.sim.udev import Udev

_CHUNK_BYTES = 1 << 20
_LINE_BYTES = 64 << 10


class Receiving:
    """The command."""

    def __init__(self, state: State, udev: Udev) -> None:
        self._state = state
        self._udev = udev
        self._datasets = Datasets(state)

    def run(self, argv: Sequence[str], command: Command) -> None:
        """Take the stream that the command is fed."""
        options = Options("receive", argv[2:], "vMnsFhuAo:x:de")
        what, name = " ".join(argv), options.words[0]
        self._state.observation("zfs receive", what)
        stream = self._first(command)
        kind = (
            "resume stream" if stream.offset else "incremental stream" if stream.from_guid else "new filesystem stream"
        )
        with self._state.mutation("zfs receive begin", what):
            self._refuse(name, stream, f"cannot receive {kind}: ")
            self._begin(name, stream, options.settings())
        came = stream.offset
        while came < stream.size and not command.is_killed:
            try:
                self._state.observation("zfs receive stream", what)
            except Struck:
                self._keep(name, stream, came)
                raise
            data = command.read(min(_CHUNK_BYTES, stream.size - came))
            came += len(data)
            self._keep(name, stream, came)
            if not data:
                raise self._cut(name, kind, is_kept=options.has("s"))
        if not command.is_killed:
            with self._state.mutation("zfs receive end", what):
                self._end(name, stream)

    def _first(self, command: Command) -> Stream:
        line = bytearray()
        while not line.endswith(b"\n") and len(line) < _LINE_BYTES and (more := command.read(1)):
            line += more
        if not line.endswith(b"\n"):
            raise CommandError("cannot receive: failed to read from stream")
        try:
            return partial.load(line.decode())
        except ValueError:
            raise CommandError("cannot receive: invalid stream (bad magic number)") from None

    def _refuse(self, name: str, stream: Stream, what: str) -> None:
        one = self._datasets.find(name)
        kept = partial.kept(self._state, name)
        if stream.offset:
            if one is None:
                raise CommandError(f"{what}destination '{name}' does not exist")
            if kept is None or (kept.to_guid, kept.offset) != (stream.to_guid, stream.offset):
                raise CommandError(f"{what}kernel modules must be upgraded to receive this stream.")
            return
        if stream.from_guid:
            self._refuse_increment(name, stream, what, one, has_part=kept is not None)
            return
        if one is not None:
            raise CommandError(f"{what}destination '{name}' exists\nmust specify -F to overwrite it")
        above = self._datasets.find(parent_name(name))
        if above is None:
            text = f"cannot open '{parent_name(name)}': dataset does not exist"
            raise CommandError(f"{text}\n{what}unable to restore to destination")
        if above.type != FILESYSTEM:
            raise CommandError(f"{what}parent '{above.name}' is not a filesystem")

    def _refuse_increment(self, name: str, stream: Stream, what: str, one: Dataset | None, *, has_part: bool) -> None:
        if one is None:
            raise CommandError(f"{what}destination '{name}' does not exist")
        if has_part:
            raise CommandError(f'{what}destination {name} contains partially-complete state from "zfs receive -s".')
        snapshots = self._snapshots(name)
        if not snapshots or snapshots[-1].guid != stream.from_guid:
            raise CommandError(f"{what}most recent snapshot of {name} does not\nmatch incremental source")
        if facts.written(self._state, one) > facts.HEAD_BYTES:
            raise CommandError(f"{what}destination {name} has been modified\nsince most recent snapshot")

    def _begin(self, name: str, stream: Stream, settings: dict[str, str]) -> None:
        if self._datasets.find(name) is None:
            self._datasets.add(name, stream.type, {}, volsize=0, volblocksize=stream.volblocksize, refer=0)
        if not self._snapshots(name):  # of an increment they are set when it is whole
            for key, value in settings.items():
                self._datasets.set(name, key, value)

    def _keep(self, name: str, stream: Stream, came: int) -> None:
        with self._state.changing():
            partial.keep(self._state, name, replace(stream, offset=came))
            if not self._snapshots(name):
                self._state.do("update datasets set refer = ? where name = ?", came, name)
                facts.note(self._state, name, facts.WRITTEN, str(came))

    def _cut(self, name: str, kind: str, *, is_kept: bool) -> CommandError:
        text = f"cannot receive {kind}: checksum mismatch or incomplete stream."
        if not is_kept:
            with self._state.changing():
                partial.keep(self._state, name, None)
                if not self._snapshots(name):
                    self._datasets.remove(name)
            return CommandError(text)
        again = "A resuming stream can be generated on the sending system by running:"
        token = partial.token(self._state, name)
        return CommandError(f"{text}\nPartially received snapshot is saved.\n{again}\n    zfs send -t {token}")

    def _end(self, name: str, stream: Stream) -> None:
        partial.keep(self._state, name, None)
        is_new = not self._snapshots(name)
        sql = "update datasets set volsize = ?, volblocksize = ?, refer = ? where name = ?"
        self._state.do(sql, stream.volsize, stream.volblocksize, stream.refer, name)
        snapshot = f"{name}@{stream.to_name.split('@')[1]}"
        self._datasets.add(
            snapshot, SNAPSHOT, {}, volsize=stream.volsize, volblocksize=stream.volblocksize, refer=stream.refer
        )
        self._state.do("update datasets set guid = ? where name = ?", stream.to_guid, snapshot)
        facts.note(self._state, snapshot, facts.WRITTEN, str(stream.size))
        facts.note(self._state, name, facts.WRITTEN, "0")
        if is_new and stream.type == VOLUME:
            self._udev.appear(name)

    def _snapshots(self, name: str) -> list[Dataset]:
        found = [each for each in self._datasets.below(name) if each.type == SNAPSHOT]
        return sorted(found, key=lambda each: each.txg)
