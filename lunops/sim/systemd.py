"""systemctl on a simulated head: the units that matter at boot, and drop-ins as of the last daemon-reload."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lunops.agent.system import Output
from lunops.sim.state import State
from lunops.sim.tree import Files

RESTORER = "rtslib-fb-targetctl.service"
_DROP_INS = "/etc/systemd/system/{0}.d"
_LOADED = "systemd:drop-ins"  # unit → {path: text}, as systemd read them last
_DISABLED = "systemd:disabled"
_COMMANDS = {
    RESTORER: ("mkdir -p /etc/rtslib-fb-target", "/usr/bin/targetctl restore"),
    "zfs-volume-wait.service": ("/sbin/zvol_wait",),
    "zfs-import.target": (),
    "zfs-volumes.target": (),
}
# As Debian 12 has them.
_AFTER = {
    RESTORER: (
        "sys-kernel-config.mount sysinit.target basic.target network.target local-fs.target systemd-journald.socket "
        "system.slice"
    ),
    "zfs-volume-wait.service": "systemd-journald.socket system.slice zfs-import.target systemd-udev-settle.service",
    "zfs-import.target": "zfs-import-cache.service",
    "zfs-volumes.target": "zfs-volume-wait.service",
}


class Systemd:
    """What systemctl shows and changes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._files = Files(state)

    def run(self, words: Sequence[str]) -> Output:
        """Run `systemctl WORDS`; raises Struck if a fault strikes it."""
        kind, what = " ".join(["systemctl", *words[:1]]), " ".join(["systemctl", *words])
        if words[:2] == ["show", "-p"] and len(words) > 3:
            self._state.observation(kind, what)
            columns = words[2].split(",")
            return Output(0, "\n".join(self._show(name, columns) for name in words[3:]), "")
        if list(words) == ["daemon-reload"]:
            with self._state.mutation(kind, what):
                self._state.put(_LOADED, json.dumps({unit: self._drop_ins(unit) for unit in _COMMANDS}))
            return Output(0, "", "")
        if words[:1] in (["enable"], ["disable"]) and len(words) == 2:
            if words[1] not in _COMMANDS:
                return Output(1, "", f"Failed to {words[0]} unit: Unit file {words[1]} does not exist.\n")
            with self._state.mutation(kind, what):
                others = [unit for unit in self._disabled() if unit != words[1]]
                self._state.put(_DISABLED, json.dumps([*others, words[1]] if words[0] == "disable" else others))
            return Output(0, "", "")
        return Output(1, "", f"Unknown command verb {' '.join(words[:1])}.\n")

    def waits_for_volumes(self) -> bool:
        """Return whether the unit that restores the targets runs a program before that waits for their volumes."""
        return any("ExecStartPre=" in text for text in self._loaded().get(RESTORER, {}).values())

    def _show(self, unit: str, columns: Sequence[str]) -> str:
        is_known = unit in _COMMANDS
        drop_ins = self._loaded().get(unit, {})
        timeouts = [text for text in (_values(text, "TimeoutStartSec") for text in drop_ins.values()) if text]
        after = [_AFTER.get(unit, ""), *(_values(text, "After") for text in drop_ins.values())]
        disabled = unit in self._disabled()
        values = {
            "TimeoutStartUSec": timeouts[-1] if timeouts else "infinity",
            "Id": unit,
            "After": " ".join(word for word in after if word),
            "LoadState": "loaded" if is_known else "not-found",
            "ActiveState": "active" if is_known else "inactive",
            "DropInPaths": " ".join(drop_ins),
            "UnitFileState": ("disabled" if disabled else "enabled") if is_known else "",
            "NeedDaemonReload": "yes" if is_known and drop_ins != self._drop_ins(unit) else "no",
        }
        commands = [
            f"ExecStart={{ path={command.split()[0]} ; argv[]={command} ; ignore_errors=no }}"
            for command in _COMMANDS.get(unit, ())
            if "ExecStart" in columns
        ]
        lines = commands + [f"{key}={value}" for key, value in values.items() if key in columns]
        return "".join(f"{line}\n" for line in lines)

    def _drop_ins(self, unit: str) -> dict[str, str]:
        folder = _DROP_INS.format(unit)
        names = sorted(name for name in self._files.names(folder) if name.endswith(".conf"))
        return {f"{folder}/{name}": self._files.text(f"{folder}/{name}") for name in names}

    def _loaded(self) -> dict[str, dict[str, str]]:
        row = self._state.one("select value from meta where key = ?", _LOADED)
        loaded: dict[str, dict[str, str]] = json.loads(row[0]) if row else {}
        return loaded

    def _disabled(self) -> list[str]:
        row = self._state.one("select value from meta where key = ?", _DISABLED)
        units: list[str] = json.loads(row[0]) if row else []
        return units


def _values(text: str, key: str) -> str:
    return " ".join(line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}="))
