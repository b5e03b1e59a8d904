"""Who is connected to an address and port of this head: the kernel's own iSCSI sockets show in /proc/net as well."""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List, Tuple

    from lunops.agent.system import System

_ESTABLISHED = "01"
_FILES = ("/proc/net/tcp", "/proc/net/tcp6")


def peers(system: System, portal: str) -> List[str]:
    """Return the addresses that have a connection to the portal `ADDRESS:PORT`, as LIO writes them."""
    address, _colon, port = portal.rpartition(":")
    own = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    found = []
    for local, local_port, peer in _connections(system):
        if local_port == int(port) and own in (local, ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("::")):
            found.append(str(peer))
    return found


def _connections(system: System) -> List[Tuple[ipaddress._BaseAddress, int, ipaddress._BaseAddress]]:
    found = []
    for path in _FILES:
        if not system.exists(path):
            continue
        for line in system.read(path).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _ESTABLISHED:
                local, port = fields[1].split(":")
                found.append((_address(local), int(port, 16), _address(fields[2].split(":")[0])))
    return found


def _address(text: str) -> ipaddress._BaseAddress:
    """Return the address in /proc/net's spelling: hexadecimal words of four bytes, each the wrong way round."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
