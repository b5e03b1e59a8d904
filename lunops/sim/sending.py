"""zfs send and zfs receive on a simulated head, in OpenZFS 2.1's words.

A simulated stream is a line that says what it brings, and as many bytes as that would be. A fault or delay of
`zfs send stream` or `zfs receive stream` is counted for each MiB, so that one can strike in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunops.agent.piped import Piped
from lunops.sim import facts, partial
from lunops.sim.datasets import Dataset, Datasets
from lunops.sim.options import CommandError, Options, misuse
from lunops.sim.partial import Stream
from lunops.sim.properties import FILESYSTEM, SNAPSHOT
from lunops.sim.receiving import Receiving
from lunops.sim.state import State
from lunops.sim.streaming import Command, SimulatedPiped
from lunops.sim.udev import Udev

CHUNK_BYTES = 1 << 20
_RECORD_BYTES = 312  # a record of the stream's own, such as the first one and the last


class Sending:
    """The commands."""

    def __init__(self, state: State, udev: Udev) -> None:
        self._state = state
        self._datasets = Datasets(state)
        self._receiving = Receiving(state, udev)

    def start(self, argv: Sequence[str], *, feed: bool) -> Piped:
        """Run one of the two beside the caller, with a pipe to it."""
        what = " ".join(argv)

        def send(command: Command) -> None:
            self._state.observation("zfs send", what)
            stream = self._stream(Options("send", argv[2:], "DnPpRVvLecwhbi:I:t:"))
            command.write((stream.dump() + "\n").encode())
            for start in range(stream.offset, stream.size, CHUNK_BYTES):
                self._state.observation("zfs send stream", what)
                command.write(bytes(min(CHUNK_BYTES, stream.size - start)))

        def receive(command: Command) -> None:
            self._receiving.run(argv, command)

        return SimulatedPiped(receive if feed else send, feed=feed)

    def estimate(self, words: Sequence[str]) -> str:
        """Return what `zfs send -nvP` prints; without -n nobody would read the stream."""
        options = Options("send", words, "DnPpRVvLecwhbi:I:t:")
        if options.words or options.has("t"):
            self._only_told(options)
        said = ""
        if options.has("t"):
            told = partial.of_token(options.last("t"))
            if told is None:
                raise CommandError("cannot resume send: resume token is corrupt (invalid format)", 255)
            lines = ["resume token contents:", "nvlist version: 0"]
            lines += [f"\tfromguid = {int(told.from_guid):#x}"] if told.from_guid else []
            lines += ["\tobject = 0x1", f"\toffset = {told.offset:#x}", f"\tbytes = {told.offset:#x}"]
            lines += [f"\ttoguid = {int(told.to_guid):#x}", f"\ttoname = {told.to_name}"]
            said = "\n".join([*lines, "\tembedok = 1", "\tcompressok = 1", ""])
        try:
            stream = self._stream(options)
        except CommandError as error:
            raise CommandError(error.text, error.code, said) from None
        size = stream.size - stream.offset
        if stream.from_guid:
            base = self._by_guid(stream.to_name.split("@")[0], stream.from_guid)
            return said + f"incremental\t{base}\t{stream.to_name}\t{size}\nsize\t{size}\n"
        return said + f"full\t{stream.to_name}\t{size}\nsize\t{size}\n"

    def _only_told(self, options: Options) -> None:
        if not (options.has("n") and options.has("P") and options.has("v")):
            raise CommandError("a simulated head sends to a pipe alone (System.pipe), and tells of it with -nvP")

    def abort(self, words: Sequence[str]) -> None:
        """Do `zfs receive -A`; anything else has no input here."""
        options = Options("receive", words, "vMnsFhuAo:x:de")
        if not options.words:
            raise misuse("missing snapshot argument", "receive")
        if not options.has("A"):
            raise CommandError("cannot receive: failed to read from stream")
        name = options.words[0]
        if self._datasets.find(name) is None:
            raise misuse(f"cannot open '{name}': dataset does not exist", "receive")
        if partial.kept(self._state, name) is None:
            raise CommandError(f"'{name}' does not have any resumable receive state to abort")
        partial.keep(self._state, name, None)
        if not self._snapshots(name):
            self._datasets.remove(name)

    def _stream(self, options: Options) -> Stream:
        if options.has("t"):
            told = partial.of_token(options.last("t"))
            if told is None:
                raise CommandError("cannot resume send: resume token is corrupt (invalid format)", 255)
            there = self._datasets.find(told.to_name)
            if there is None or there.guid != told.to_guid:
                raise CommandError(
                    f"cannot resume send: '{told.to_name}' used in the initial send no longer exists", 255
                )
            if told.from_guid and not self._by_guid(told.to_name.split("@")[0], told.from_guid):
                raise CommandError("cannot resume send: incremental source no longer exists", 255)
            return told
        if not options.words:
            raise misuse("missing snapshot argument", "send")
        name = options.words[0]
        one = self._datasets.find(name)
        if one is None or one.type != SNAPSHOT:
            raise CommandError(f"cannot open '{name}': dataset does not exist")
        base = None
        if options.has("i"):
            wanted = options.last("i")
            wanted = name.split("@")[0] + wanted if wanted.startswith("@") else wanted
            base = self._datasets.find(wanted)
            if base is None:
                raise CommandError(f"cannot open '{wanted}': dataset does not exist")
        return Stream(
            to_guid=one.guid,
            to_name=name,
            from_guid=base.guid if base else "",
            type="volume" if one.volsize else FILESYSTEM,
            volsize=one.volsize,
            volblocksize=one.volblocksize,
            refer=one.refer,
            size=self._bytes(one, base) + 2 * _RECORD_BYTES,
        )

    def _bytes(self, one: Dataset, base: Dataset | None) -> int:
        if base is None:
            return one.refer
        between = [each for each in self._snapshots(one.name.split("@")[0]) if base.txg < each.txg <= one.txg]
        return sum(facts.written(self._state, each) for each in between)

    def _snapshots(self, dataset: str) -> list[Dataset]:
        found = [each for each in self._datasets.below(dataset) if each.type == SNAPSHOT]
        return sorted(found, key=lambda each: each.txg)

    def _by_guid(self, dataset: str, guid: str) -> str:
        return next((each.name for each in self._snapshots(dataset) if each.guid == guid), "")
