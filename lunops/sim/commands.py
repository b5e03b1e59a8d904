"""The commands that a simulated head has: zfs, zpool, udevadm, modprobe, and small tools."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from lunops.agent.piped import Piped
from lunops.agent.system import Output
from lunops.sim import turn
from lunops.sim.faults import Struck
from lunops.sim.state import State
from lunops.sim.tools import Tools
from lunops.sim.udev import Udev
from lunops.sim.zfs import Zfs

_MODULES = ("configfs", "iscsi_target_mod", "target_core_file", "target_core_iblock", "target_core_mod", "zfs")
_NO_MODULE = "Module {0} not found in directory /lib/modules/6.1.0-simulated\n"
_TRIGGER_OPTIONS = (
    *("--action", "--type", "--subsystem-match", "--name-match", "--property-match", "--settle", "--verbose"),
    *("-c", "-t", "-s", "-y", "-p", "-w", "-v"),
)


class Commands:
    """What can be run."""

    def __init__(self, state: State, udev: Udev, zfs: Zfs) -> None:
        self._state = state
        self._udev = udev
        self._zfs = zfs
        self._tools = Tools(state)

    def run(self, argv: Sequence[str], timeout_s: float) -> Output:
        """Run a command; one that is delayed for longer than the timeout is ended, and has done nothing."""
        kind = " ".join(argv[:2]) if argv[0] in ("zfs", "zpool", "udevadm", "systemctl") else argv[0]
        if self._state.faults().delays_s.get(kind, 0.0) > timeout_s:
            turn.sleep(timeout_s)
            return Output(-9, "", f"no answer within {int(timeout_s)} s; ended")
        try:
            if argv[0] in ("zfs", "zpool"):
                return self._zfs.run(argv)
            if argv[0] == "udevadm":
                return self._udevadm(kind, argv[1:])
            if argv[0] == "modprobe":
                self._state.observation(kind, " ".join(argv))
                return _modprobe(argv[1:])
            if argv[0] in self._tools.commands:
                return self._tools.commands[argv[0]](argv[1:])
        except Struck as struck:
            fault = struck.fault
            text = fault.stderr or "cannot {command}: simulated fault"
            text = text.replace("{name}", argv[-1]).replace("{command}", " ".join(argv))
            return Output(fault.code, "", text.rstrip("\n") + "\n")
        return Output(127, "", f"{argv[0]}: No such file or directory")

    def pipe(self, argv: Sequence[str], *, feed: bool) -> Piped:
        """Start a command to read from, or to feed."""
        if list(argv[:2]) != ["zfs", "receive" if feed else "send"]:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", argv[0])
        return self._zfs.sending.start(argv, feed=feed)

    def _udevadm(self, kind: str, words: Sequence[str]) -> Output:
        what = " ".join(["udevadm", *words])
        if words[:1] == ["settle"]:
            # It returns at once: a lost event is not in udev's queue, and a late device not yet.
            self._state.observation(kind, what)
            wrong = next((word[10:] for word in words if word.startswith("--timeout=") and not word[10:].isdigit()), "")
            if wrong:
                return Output(1, "", f"Failed to parse timeout value '{wrong}': Invalid argument\n")
            return Output(0, "", "")
        if words[:1] == ["trigger"]:
            minors: list[int | None] = []
            for word in words[1:]:
                option, _, value = word.partition("=")
                if word.startswith("-") and option not in _TRIGGER_OPTIONS:
                    return Output(1, "", f"trigger: unrecognized option '{word}'\n")
                device = (value if option in ("--name-match", "-y") else "" if value else word).rsplit("/", 1)[-1]
                if device.startswith("zd") and device[2:].isdigit():
                    minors.append(int(device[2:]))
            with self._state.mutation(kind, what):
                for minor in minors or [None]:
                    self._udev.trigger(minor)
            return Output(0, "", "")
        if words[:1] == ["--version"]:
            return Output(0, "252\n", "")
        return Output(1, "", f"Unknown command verb {' '.join(words[:1])}.\n")


def _modprobe(words: Sequence[str]) -> Output:
    names = [word for word in words if not word.startswith("-")]
    missing = [name for name in names if name not in _MODULES]
    severity = "WARNING" if "-a" in words or "--all" in words else "FATAL"
    text = "".join(f"modprobe: {severity}: {_NO_MODULE.format(name)}" for name in missing)
    return Output(1 if missing else 0, "", text)
