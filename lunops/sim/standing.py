"""The files that every simulated head has from its beginning: what the kernel and Debian's packages put there."""

from __future__ import annotations

from lunops.sim.tree import Files, parent_of

_MODULES = ("iscsi_target_mod", "target_core_iblock", "target_core_mod", "zfs")


def standing_files() -> dict[str, str]:
    """Return path → text."""
    return {
        "/lib/udev/rules.d/60-zvol.rules": 'KERNEL=="zd*", SUBSYSTEM=="block", SYMLINK+="zvol/%c"\n',
        "/lib/udev/zvol_id": "",
        "/proc/modules": "".join(f"{name} 16384 0 - Live 0x0000000000000000\n" for name in _MODULES),
        "/proc/mounts": "configfs /sys/kernel/config configfs rw,nosuid,nodev,noexec,relatime 0 0\n",
        "/etc/hosts": "127.0.0.1 localhost\n10.0.2.15 simulated.example.org simulated\n",
        "/etc/os-release": 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
        "/proc/cpuinfo": "processor\t: 0\n\nprocessor\t: 1\n",
        "/proc/meminfo": "MemTotal:        8388608 kB\nMemFree:         4194304 kB\nMemAvailable:    6291456 kB\n",
        "/proc/sys/kernel/hostname": "simulated\n",
        "/proc/sys/kernel/osrelease": "6.1.0-simulated\n",
        "/proc/uptime": "86400.00 172800.00\n",
    }


def put_file(files: Files, path: str, text: str) -> None:
    """Make a file and the folders above it; call it while changing the state."""
    above = parent_of(path)
    missing = []
    while files.kind(above) is None:
        missing.append(above)
        above = parent_of(above)
    for folder in reversed(missing):
        files.put(folder, "dir")
    files.put(path, "file", text)
