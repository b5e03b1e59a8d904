"""zfs_send, on the source: look at the snapshot that is to be sent, and tell how many bytes that would be.

    {"src": "p/img@1"}                                             look: its guid, and the older snapshots
    {"src": "p/img@1", "how": "full|incremental|resume", "base": "0", "token": "1-…", "dst": "q/img", "to": "head"}
                                                                   how much it is, as the destination needs it
What was found is the item's `data`; nothing is changed here. The stream itself goes through `lunops.agent.pipe`.

Flags, always the same ones, since streams with and without -L must not be mixed on one dataset:
-L blocks above 128 KiB stay whole, -e tiny blocks stay embedded, -c blocks go as they are on disk: nothing is
decompressed and compressed again, and less is sent. A token has its own flags in it.
"""

from __future__ import annotations

import re

from lunops.agent import zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

FULL, INCREMENTAL, RESUME = "full", "incremental", "resume"
_FLAGS = "-Lec"
_TOKEN = re.compile(r"[0-9a-f]+(?:-[0-9a-f]+)+\Z")
_TOKEN_GUID = re.compile(r"^\s*toguid = 0x([0-9a-f]+)$", re.MULTILINE)


def run(work: Work, items: Sequence[Item]) -> None:
    """Look at all snapshots at once; then say of each item what is known, and what it would come to."""
    found = _look(work.system, [item.args["src"] for item in items])

    def one(item: Item, outcome: Outcome) -> None:
        source = item.args["src"]
        if source not in found:
            raise ItemError(
                "the snapshot %s does not exist" % source,
                "see: zfs list -t snapshot -r %s" % source.split("@")[0],
            )
        if found[source]["encryption"] != "off":
            raise ItemError(
                "%s is encrypted, and lunops would send it in the clear" % source,
                "send it by hand with zfs send -w",
            )
        outcome.data = dict(found[source])
        if "how" in item.args:
            outcome.data.update(_estimate(work.system, item.args, found[source]["guid"]))

    work.each(items, one)


def command(args: Dict[str, Any]) -> List[str]:
    """Return the argv that writes the stream."""
    if args["how"] == RESUME:
        if not _TOKEN.match(args["token"]):
            raise ValueError("%r is no resume token" % args["token"])
        return ["zfs", "send", "-t", args["token"]]
    if args["how"] == INCREMENTAL:
        return ["zfs", "send", _FLAGS, "-i", "%s@%s" % (args["src"].split("@")[0], args["base"]), args["src"]]
    return ["zfs", "send", _FLAGS, args["src"]]


def _look(system: System, sources: Sequence[str]) -> Dict[str, Dict[str, Any]]:
    """Return, for each snapshot that exists, its guid, type and encryption, and the older ones as [tag, guid]."""
    datasets = sorted({source.split("@")[0] for source in sources})
    base = zfs.observe(system, datasets, ("type", "encryption"))
    snapshots = zfs.snapshots(system, [name for name in datasets if name in base])
    found: Dict[str, Dict[str, Any]] = {}
    for source in sources:
        dataset, tag = source.split("@")
        mine = snapshots.get(dataset, [])
        place = next((place for place, one in enumerate(mine) if one[0] == tag), None)
        if place is not None:
            found[source] = {
                "guid": mine[place][1],
                "type": base[dataset].value("type"),
                "encryption": base[dataset].value("encryption"),
                "older": [list(one) for one in mine[:place]],
            }
    return found


def _estimate(system: System, args: Dict[str, Any], guid: str) -> Dict[str, Any]:
    """Return the stream's bytes as zfs estimates them, and the command, as one would type it."""
    argv = command(args)
    output = system.run([*argv[:2], "-nvP", *argv[2:]])
    partial = "%s on %s holds a part of" % (args["dst"], args["to"])
    give_up = "to give up what is there, on %s: zfs receive -A %s" % (args["to"], args["dst"])
    if args["how"] == RESUME:
        to_guid = _TOKEN_GUID.search(output.out + output.err)
        if to_guid is not None and str(int(to_guid.group(1), 16)) != guid:
            raise ItemError(
                "%s another snapshot (guid %d), not of %s" % (partial, int(to_guid.group(1), 16), args["src"]),
                "run again what was cut then; or, %s" % give_up,
            )
        if output.code != 0:
            raise ItemError("%s a stream that cannot be gone on with: %s" % (partial, _last(output.err)), give_up)
    elif output.code != 0:
        raise ItemError("zfs send failed: %s" % zfs.said(output))
    size = [line.split("\t")[1] for line in (output.out + output.err).splitlines() if line.startswith("size\t")]
    if len(size) != 1 or not size[0].isdigit():
        raise ItemError("zfs send -nvP told no size: %s" % zfs.said(output))
    shown = " ".join(argv) if args["how"] != RESUME else "zfs send -t TOKEN"
    return {"bytes": int(size[0]), "command": shown}


def _last(text: str) -> str:
    """Return what zfs says against a token, without the table of the token's contents."""
    said = [line for line in text.splitlines() if line.startswith("cannot")]
    return said[0] if said else text.strip()
