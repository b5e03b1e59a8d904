"""Who is connected to an address and port of this head: the kernel's own iSCSI sockets show in /proc/net as well."""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List, Tuple, Union

    from lunops.agent.system import System

    Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_ESTABLISHED = "01"
_FILES = ("/proc/net/tcp", "/proc/net/tcp6")


def peers(system: System, portal: str) -> List[str]:
    """Return the addresses that have a connection to the portal `ADDRESS:PORT`, as LIO writes them."""
    place, _colon, port = portal.rpartition(":")
    own = ipaddress.ip_address(place.strip("[]").partition("%")[0])
    return [
        str(peer)
        for local, local_port, peer in _connections(system)
        if local_port == int(port) and (own.is_unspecified or own == local)
    ]


def plain(place: str) -> str:
    """Return an address as `peers` gives it: LIO writes `[::ffff:10.0.0.1]` where a socket of all addresses took it."""
    try:
        return str(_unmapped(ipaddress.ip_address(place.strip("[]").partition("%")[0])))
    except ValueError:
        return place


def _connections(system: System) -> List[Tuple[Address, int, Address]]:
    found = []
    for path in _FILES:
        if not system.exists(path):
            continue
        for line in system.read(path).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _ESTABLISHED:
                local, port = fields[1].split(":")
                found.append((address(local), int(port, 16), address(fields[2].split(":")[0])))
    return found


def address(text: str) -> Address:
    """Return the address in /proc/net's spelling: hexadecimal words of four bytes, each the wrong way round.

    An IPv4 connection to a socket of all addresses stands among the IPv6 ones, and is given as what it is.
    """
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    return _unmapped(ipaddress.ip_address(b"".join(words)))


def _unmapped(found: Address) -> Address:
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found
