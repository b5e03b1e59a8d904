"""Portals of a simulated head: which can stand beside each other, and who is connected to them (/proc/net/tcp)."""

from __future__ import annotations

import ipaddress

from lunops.sim.state import State
from lunops.sim.tree import Kind

NET = "/proc/net"
_FILES = ("tcp", "tcp6")
_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
_REST = "00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1\n"
_ESTABLISHED = "01"
_OWN = {4: "10.0.2.15", 6: "fd00::15"}  # what a connection to 0.0.0.0 or [::] comes in at


def is_one(name: str) -> bool:
    """Return whether the kernel makes a portal of this name."""
    address, _, port = name.rpartition(":")
    try:
        version = ipaddress.ip_address(address.strip("[]")).version
    except ValueError:
        return False
    bracketed = address.startswith("[") and address.endswith("]")
    return bracketed == (version == 6) and port.isascii() and port.isdigit() and int(port) < 65536


def conflict(state: State, name: str) -> bool:
    """Return whether another portal of the head has the port: an address beside all addresses cannot be.

    The same portal in several targets is one socket. 0.0.0.0 leaves single IPv6 addresses alone; [::] takes all.
    """
    address, _, port = name.rpartition(":")
    for row in state.all("select path from nodes where kind = 'dir' and parent like '%/np'"):
        other, _, other_port = row[0].rsplit("/", 1)[1].rpartition(":")
        if other_port == port and other != address:
            pair = {address, other}
            if "[::]" in pair or ("0.0.0.0" in pair and not any(one.startswith("[") for one in pair)):
                return True
    return False


def first(state: State, tpg: str) -> str:
    """Return the portal that an initiator finds first in a TPG (its folder)."""
    row = state.one("select path from nodes where kind = 'dir' and parent = ? order by path", f"{tpg}/np")
    return str(row[0]).rsplit("/", 1)[1] if row else ""


def is_served(state: State, port: int) -> bool:
    """Return whether any target has a portal at the port."""
    rows = state.all("select path from nodes where kind = 'dir' and parent like '%/np'")
    return any(row[0].rpartition(":")[2] == str(port) for row in rows)


class Net:
    """/proc/net, as part of the file tree."""

    def __init__(self, state: State) -> None:
        self._state = state

    def kind(self, path: str) -> Kind | None:
        """Return what stands at the path."""
        if path == NET:
            return "dir"
        return "file" if path.removeprefix(NET + "/") in _FILES else None

    def target(self, path: str) -> str:
        """Return where a link leads: there are none."""
        raise AssertionError(path)

    def names(self, path: str) -> list[str]:
        """Return the names in the folder."""
        return list(_FILES) if path == NET else []

    def read(self, path: str) -> str:
        """Return a file's text: a line for each session, its connection."""
        version = 6 if path.endswith("6") else 4
        text = _HEAD
        for address, portal in self._state.all("select address, portal from sessions where portal != '' order by id"):
            own, _, port = portal.rpartition(":")
            local = ipaddress.ip_address(own.strip("[]"))
            peer = ipaddress.ip_address(address.strip("[]"))
            if local.is_unspecified:
                local = ipaddress.ip_address(_OWN[peer.version])
            if local.version == version:
                text += f"   0: {_hex(local)}:{int(port):04X} {_hex(peer)}:A7B8 {_ESTABLISHED} {_REST}"
        return text


def _hex(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    packed = address.packed
    return "".join(packed[start : start + 4][::-1].hex().upper() for start in range(0, len(packed), 4))
