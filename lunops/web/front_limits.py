"""Set how much, and for how long, the front lets one client hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FrontLimits:
    """Bounds on clients; each deadline is absolute, so a byte now and then does not push it out.

    `handshake_s` runs from the accepted connection, `headers_s` from a request's first byte, `body_s` from
    its last header, `write_s` from the moment that the client is found not to read its response. `idle_s` is
    the time between requests, `linger_s` the time for a refused client to read why.
    """

    handshake_s: float = 5.0
    headers_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 60.0
    write_s: float = 30.0
    linger_s: float = 1.0
    header_bytes: int = 32 * 1024
    header_fields: int = 100
    body_bytes: int = 1024 * 1024
    unsent_bytes: int = 1024 * 1024
    """Bytes of one response that wait in memory for a slow reader, before the worker has to wait too."""
    connections: int = 500
    """Beyond it the oldest that has shown no certificate gives way, then the one that is idle for longest."""
    workers: int = 10
    queued_requests: int = 100
    """Whole requests that wait for a worker; beyond it: 503."""
