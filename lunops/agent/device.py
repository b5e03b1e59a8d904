"""wait_for_device: have each volume's /dev/zvol link there, and leading to the right device.

    {"dataset": "p/x", "timeout_s": 60}

`udevadm settle` does not tell: minors appear after it returns, and udev loses events for good when many
appear at once (its open of the device fails with errno 512). So each /dev/zdN is asked for its dataset, and
udev is asked again for just those whose link is missing.
"""

from __future__ import annotations

from lunops.agent import zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

FIRST_LOOK_S = 1.0  # udev gets this long before it is asked again
_POLL_S = 0.1
_ASK_AGAIN_S = 3.0  # a device is not triggered more often than this: each trigger costs udev an open


def path_of(dataset: str) -> str:
    """Return the path of a volume's link."""
    return "/dev/zvol/" + dataset


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: all items wait together, since one look at /sys serves them all."""
    system = work.system
    started = system.monotonic()
    waiting = {item.args["dataset"]: item for item in items}
    outcomes = {dataset: Outcome() for dataset in waiting}
    _drop_what_has_no_device(work, waiting, outcomes)
    devices = Devices(system)
    while waiting:
        for dataset in list(waiting):
            if devices.is_linked(dataset):
                work.report(waiting.pop(dataset), outcomes[dataset])
        if not waiting:
            return
        waited = system.monotonic() - started
        for dataset, item in list(waiting.items()):
            if work.is_over():
                work.skip(waiting.pop(dataset))
            elif waited > float(item.args.get("timeout_s", 60)):
                del waiting[dataset]
                work.report(item, outcomes[dataset].fail(devices.why_missing(dataset, waited)))
        if waited >= FIRST_LOOK_S:
            for dataset in devices.ask_udev_again(list(waiting)):
                outcomes[dataset].changes[:] = ["ask udev again for %s" % dataset]
        system.sleep(_POLL_S)


def _drop_what_has_no_device(work: Work, waiting: Dict[str, Item], outcomes: Dict[str, Outcome]) -> None:
    """Report the items for which no link will ever come, and in check mode all of them."""
    missing = [dataset for dataset in waiting if not work.system.is_block_device(path_of(dataset))]
    if not missing:
        return
    found = zfs.observe(work.system, missing, ("type", "volmode"))
    for dataset in missing:
        outcome = outcomes[dataset]
        if work.check:
            if dataset not in found:
                outcome.data = {"missing": [dataset]}  # whether an earlier task would make it is not known here
            work.report(waiting.pop(dataset), outcome)  # it would be waited for, which changes nothing
        elif dataset not in found:
            outcome.fail(ItemError("the volume %s does not exist" % dataset, "create it first"))
            work.report(waiting.pop(dataset), outcome)
        elif found[dataset].value("type") != "volume" or found[dataset].value("volmode") == "none":
            what = "%s is a %s with volmode %s" % (
                dataset,
                found[dataset].value("type"),
                found[dataset].value("volmode"),
            )
            outcome.fail(ItemError(what + ", and has no device", "set volmode=default on it"))
            work.report(waiting.pop(dataset), outcome)


class Devices:
    """The zd devices of the head, asked for their datasets as far as was needed so far."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._datasets: Dict[str, str] = {}  # zdN → dataset
        self._asked_at: Dict[str, float] = {}  # dataset → when udev was last asked
        self._asked: Dict[str, int] = {}  # dataset → how often

    def is_linked(self, dataset: str) -> bool:
        """Return whether the link leads to a block device that says it is this dataset."""
        path = path_of(dataset)
        if not self._system.is_block_device(path):
            return False
        # A link can be stale, left of a volume whose minor number another one has now: ask the device itself.
        return self._ask(self._system.resolve(path).rsplit("/", 1)[-1]) == dataset

    def ask_udev_again(self, datasets: List[str]) -> List[str]:
        """Trigger a change event for the devices of these datasets; return those for which it was done."""
        now = self._system.monotonic()
        due = {name for name in datasets if now - self._asked_at.get(name, -_ASK_AGAIN_S) >= _ASK_AGAIN_S}
        if not due:
            return []
        asked = []
        for device in self._system.listdir("/sys/block"):
            if not device.startswith("zd"):
                continue
            dataset = self._datasets.get(device) or self._ask(device)
            if dataset in due:
                self._asked_at[dataset] = now
                self._asked[dataset] = self._asked.get(dataset, 0) + 1
                try:
                    self._system.write("/sys/block/%s/uevent" % device, "change")
                    asked.append(dataset)
                except OSError:
                    self._datasets.pop(device, None)  # gone, or another by now
        return asked

    def why_missing(self, dataset: str, waited_s: float) -> ItemError:
        """Return the error for a link that did not come."""
        device = next((device for device, name in self._datasets.items() if name == dataset), "")
        if device:
            what = "/dev/%s is %s, but udev made no link within %d s, asked again %d times" % (
                device,
                dataset,
                waited_s,
                self._asked.get(dataset, 0),
            )
            return ItemError(what, "see: udevadm test /sys/block/%s" % device)
        return ItemError(
            "no device for %s appeared within %d s" % (dataset, waited_s),
            "see: ls /dev/zvol, and dmesg on the head",
        )

    def _ask(self, device: str) -> str:
        try:
            name = self._system.zvol_name("/dev/" + device)
        except OSError:
            return ""
        self._datasets[device] = name
        return name
