"""Filters of what storage speaks in: datasets, IQNs, addresses, sizes, ranges of names."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final

from lunops.errors import BadValueError
from lunops.inventory_range import expand
from lunops.names import Dataset, Iqn, Size, Snapshot
from lunops.near import hint

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_QUERIES: Final[dict[str, Callable[[Interface], Any]]] = {
    "address": lambda each: str(each.ip),
    "network": lambda each: str(each.network.network_address),
    "broadcast": lambda each: str(each.network.broadcast_address),
    "netmask": lambda each: str(each.netmask),
    "hostmask": lambda each: str(each.hostmask),
    "prefix": lambda each: each.network.prefixlen,
    "subnet": lambda each: str(each.network),
    "cidr": str,
    "size": lambda each: each.network.num_addresses,
    "version": lambda each: each.version,
}


def pool_of(value: object) -> str:
    """Filter `pool`: return the pool of a dataset or snapshot."""
    return Dataset.parse(str(value).partition("@")[0]).pool


def dataset_of(value: object) -> str:
    """Return the dataset of a snapshot, or the dataset itself."""
    text = str(value)
    return Snapshot.parse(text).dataset.name if "@" in text else Dataset.parse(text).name


def snapshot_of(value: object) -> str:
    """Return the part of a snapshot's name behind the @."""
    return Snapshot.parse(value).tag


def iqn(value: object) -> str:
    """Return an IQN as the kernel keeps it, in lower case; what is none is an error."""
    return Iqn.parse(value).name


def size_bytes(value: object) -> int:
    """Return the bytes of a size as zfs takes it, such as 10G."""
    return Size.parse(value).size_bytes


def expand_range(value: object) -> list[str]:
    """Return the names that a pattern such as `node-[001:120]` stands for."""
    return expand(str(value), "")


def ipaddr(value: Any, query: Any = "") -> Any:
    """Return an address if it is one, else false; of a list, those that are. A query asks for a part of it."""
    return _address(value, query, 0)


def ipv4(value: Any, query: Any = "") -> Any:
    """Do as `ipaddr` for IPv4 alone."""
    return _address(value, query, 4)


def ipv6(value: Any, query: Any = "") -> Any:
    """Do as `ipaddr` for IPv6 alone."""
    return _address(value, query, 6)


def ipwrap(value: Any) -> Any:
    """Return an IPv6 address in [ ], and anything else as it is."""
    if isinstance(value, list | tuple):
        return [ipwrap(each) for each in value]
    found = interface(value)
    if found is None or found.version == 4:
        return value
    address, slash, prefix = str(value).partition("/")
    return f"[{address}]{slash}{prefix}"


def ip_in(value: Any, network: Any) -> bool:
    """Return whether an address or network lies in a network."""
    inner, outer = interface(value), interface(network)
    for given, found in ((value, inner), (network, outer)):
        if found is None:
            raise BadValueError(f"{given!r:.80} is no address", fix="write such as 10.0.0.1 or 10.0.0.0/24")
    assert inner is not None
    assert outer is not None
    # A single address has the whole of its bits as prefix.
    return inner.version == outer.version and inner.network.subnet_of(outer.network)  # type: ignore[arg-type]


def interface(value: object) -> Interface | None:
    """Return the address in a text, with its prefix if it has one, or None."""
    if not isinstance(value, str):
        return None
    try:
        return ipaddress.ip_interface(value)
    except ValueError:
        return None


def _address(value: Any, query: Any, version: int) -> Any:
    if isinstance(value, list | tuple):
        return [found for each in value if (found := _address(each, query, version)) is not False]
    found = interface(value)
    if found is None or (version and found.version != version):
        return False
    if query == "":
        return value
    if isinstance(query, int) and not isinstance(query, bool):
        try:
            return f"{found.network[query]}/{found.network.prefixlen}"
        except IndexError:
            return False
    ask = _QUERIES.get(str(query))
    if ask is None:
        raise BadValueError(f"ipaddr cannot be asked for {query!r}", fix=hint(str(query), _QUERIES, "queries"))
    return ask(found)


NAME_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "pool": pool_of,
    "dataset": dataset_of,
    "snapshot": snapshot_of,
    "iqn": iqn,
    "size_bytes": size_bytes,
    "expand_range": expand_range,
    "node_range": expand_range,
    "ipaddr": ipaddr,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "ipwrap": ipwrap,
    "ip_in": ip_in,
}
