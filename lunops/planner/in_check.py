"""What check mode makes of a task that needs what an earlier one would have made: it cannot be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lunops.model import Item, ItemResult, Json, Status

_ON_VOLUMES = ("lio_target", "lio_fragment", "wait_for_device")
_REMOVING = ("zfs_destroy", "lio_absent")


def in_check(module: str, item: Item, result: ItemResult, would: dict[str, bool]) -> ItemResult:
    """Return the result, as unknown if it hangs on what an earlier task would have done; note what this one would.

    `would` has the keys of what was, so far, found to be changed by a run, and whether it would be taken away.
    """
    removes = module in _REMOVING or "lio_absent" in item.args
    missing = result.data.get("missing", ()) if isinstance(result.data, Mapping) and module in _ON_VOLUMES else ()
    for name in missing if isinstance(missing, list) else ():
        if name not in would:
            fix = "make it first: no task before this one would"
            result = replace(
                result, status=Status.FAILED, error=f"the volume {name} does not exist", fix=fix, changes=(), data=None
            )
    if result.status is Status.FAILED and any(name in would for name in _names({"": item.key, **item.args})):
        said = f"only a run would tell, since an earlier task changes what it needs; now it is: {result.error}"
        result = replace(result, status=Status.UNKNOWN, error="", fix="", changes=(), data={"msg": said})
    elif result.status is Status.OK and not removes and would.get(item.key):
        said = "only a run would tell, since an earlier task takes away what is there now"
        result = replace(result, status=Status.UNKNOWN, data={"msg": said})
    if result.status in (Status.CHANGED, Status.UNKNOWN):
        would[item.key] = removes
    return result


def _names(value: Json) -> Iterator[str]:
    """Give all names of datasets and snapshots in arguments, and those above them."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _names(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _names(each)
    elif isinstance(value, str) and not value.startswith("/"):
        yield value
        dataset = value.partition("@")[0]
        while dataset:
            yield dataset
            dataset = dataset.rpartition("/")[0]
