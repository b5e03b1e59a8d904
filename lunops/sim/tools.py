"""The small commands of a simulated head: those that look at files and at the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lunops.agent.system import Output
from lunops.sim.state import State
from lunops.sim.systemd import Systemd
from lunops.sim.tree import Files

_SIZE, _USED = 32 << 30, 4 << 30  # of the one file system that is not ZFS


class Tools:
    """Commands by their first word; each gets the words behind it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._files = Files(state)
        self.commands: Mapping[str, Callable[[Sequence[str]], Output]] = {
            "chmod": self._chmod,
            "df": self._df,
            "systemctl": Systemd(state).run,
        }

    def _chmod(self, words: Sequence[str]) -> Output:
        mode, *paths = words
        for path in paths:
            if self._files.kind(path) != "file":
                return Output(1, "", f"chmod: cannot access '{path}': No such file or directory\n")
            with self._state.mutation("chmod", " ".join(["chmod", *words])):
                self._files.set_mode(path, int(mode, 8))
        return Output(0, "", "")

    def _df(self, words: Sequence[str]) -> Output:
        self._state.observation("df", " ".join(["df", *words]))
        row = f"/dev/vda {_SIZE} {_USED} {_SIZE - _USED} {_USED * 100 // _SIZE}% /"
        lines = ["Filesystem 1-blocks Used Available Capacity Mounted on"]
        lines += [row for word in words if not word.startswith("-")]
        return Output(0, "\n".join(lines) + "\n", "")
