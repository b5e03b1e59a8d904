"""What a simulated head keeps of a stream that was cut: what it was of, how far it came, and the token that says so."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import asdict, dataclass

from lunops.sim import facts
from lunops.sim.state import State

_FACT = "!receive"  # a fact of the destination, so that it goes with it
_TOKEN = re.compile(r"1-([0-9a-f]+)-([0-9a-f]+)-([0-9a-f]+)\Z")


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What a stream brings, and from which of its bytes on."""

    to_guid: str
    to_name: str
    from_guid: str = ""
    type: str
    volsize: int
    volblocksize: int
    refer: int
    size: int
    offset: int = 0

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def token(self) -> str:
        """Return it as a resume token, in the shape that OpenZFS gives one."""
        text = self.dump().encode()
        packed = zlib.compress(text)
        return f"1-{zlib.crc32(packed):x}-{len(text):x}-{packed.hex()}"


def load(text: str) -> Stream:
    """Return what `Stream.dump` wrote; raises ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    try:
        return Stream(**value)
    except TypeError as error:
        raise ValueError(str(error)) from None


def of_token(text: str) -> Stream | None:
    """Return what a token says; None if it is none."""
    match = _TOKEN.match(text)
    if match is None:
        return None
    packed = bytes.fromhex(match[3])
    return load(zlib.decompress(packed).decode()) if f"{zlib.crc32(packed):x}" == match[1] else None


def kept(state: State, dataset: str) -> Stream | None:
    """Return what a dataset keeps of a cut stream."""
    text = facts.fact(state, dataset, _FACT)
    return load(text) if text else None


def keep(state: State, dataset: str, stream: Stream | None) -> None:
    """Keep a part of a stream, or with None forget it; call it while changing the state."""
    facts.note(state, dataset, _FACT, "" if stream is None else stream.dump())


def token(state: State, dataset: str) -> str:
    """Return a dataset's resume token, empty if it has none."""
    stream = kept(state, dataset)
    return stream.token() if stream else ""
