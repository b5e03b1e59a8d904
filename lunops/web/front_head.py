"""Read the head of an HTTP/1 request strictly: what two readers could read differently is refused.

RFC 9112 (sections 2 to 6) is the measure. cheroot 11.1.2 takes two Content-Length fields,
`Content-Length : 3`, `+3`, folded lines, bare CR and no Host, all of which have served to smuggle requests.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lunops.web.front_limits import FrontLimits

_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (\*|/|/[\x21\x22\x24-\x2e\x30-\x7e][\x21\x22\x24-\x7e]*) HTTP/(\d)\.(\d)")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_HOST = re.compile(rb"[A-Za-z0-9._~%\-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ONCE = frozenset({b"Host", b"Content-Length", b"Content-Type", b"Authorization", b"Expect"})


class Refused(Exception):
    """The request is answered by the front itself: `status` such as "400 Bad Request", and why."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(f"{status}: {why}")
        self.status = status
        self.why = why

    def response(self) -> bytes:
        """Render the whole response, the last one on its connection."""
        return refusal(self.status, self.why)


@dataclass(frozen=True, kw_only=True)
class Head:
    """A request line and its fields, names in Title-Case; a name with an underscore is left out.

    Such a name would become the same CGI variable as the one with a dash.
    """

    request_line: bytes
    fields: dict[bytes, bytes]
    content_length: int
    wants_continue: bool


def refusal(status: str, why: str) -> bytes:
    """Render a response that closes the connection, its body as the REST interface's errors: JSON."""
    body = json.dumps({"status": "error", "message": why}).encode() + b"\n"
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += ["Retry-After: 1"] if status.startswith("503") else []
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def take_head(buffer: bytearray, scanned: int, limits: FrontLimits) -> Head | None:
    """Cut a whole head off the buffer's front, or return None if it is not all there yet.

    `scanned` bytes of the buffer were looked at by an earlier call; without it, a client that sends byte by
    byte would cost quadratic time. Raises Refused.
    """
    # Some clients send a CRLF after a body; RFC 9112 section 2.2 asks to skip it. One, lest it goes on.
    start = 2 if buffer.startswith(b"\r\n") else 0
    seen = max(start, scanned - len(_END))
    end = buffer.find(_END, seen)
    if _BARE_LF.search(buffer, seen, end + 2 if end >= 0 else len(buffer)):
        raise Refused("400 Bad Request", "lines must end with CRLF, and one ends with LF alone")
    if (end if end >= 0 else len(buffer)) - start > limits.header_bytes:
        raise Refused("431 Request Header Fields Too Large", f"the header is longer than {limits.header_bytes} bytes")
    if end < 0:
        return None
    raw = bytes(buffer[start:end])
    del buffer[: end + len(_END)]
    return parse_head(raw, limits)


def parse_head(raw: bytes, limits: FrontLimits) -> Head:
    """Parse a head without its closing empty line. Raises Refused."""
    request_line, *lines = raw.split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(request_line)
    if match is None:
        raise Refused("400 Bad Request", "the first line is not METHOD /path HTTP/1.1")
    if match[2] == b"*" and match[1] != b"OPTIONS":
        raise Refused("400 Bad Request", "the path * is for OPTIONS only")
    version = (int(match[3]), int(match[4]))
    if version not in ((1, 0), (1, 1)):
        raise Refused("505 HTTP Version Not Supported", "this server speaks HTTP/1.1")
    if len(lines) > limits.header_fields:
        raise Refused(
            "431 Request Header Fields Too Large", f"there are more than {limits.header_fields} header fields"
        )
    fields = _fields(lines)
    if version == (1, 1) and b"Host" not in fields:
        raise Refused("400 Bad Request", "the Host field is missing")
    if b"Host" in fields and not _HOST.fullmatch(fields[b"Host"]):
        raise Refused("400 Bad Request", "the Host field is not a host")
    length = _content_length(fields, limits)
    expect = fields.pop(b"Expect", None)
    if expect is not None and expect.lower() != b"100-continue":
        raise Refused("417 Expectation Failed", "the only expectation met here is 100-continue")
    _settle_connection(fields)
    return Head(
        request_line=request_line,
        fields=fields,
        content_length=length,
        wants_continue=expect is not None and version == (1, 1),
    )


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            raise Refused("400 Bad Request", "a header field is folded over two lines")
        raw_name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(raw_name):
            raise Refused("400 Bad Request", "a header line is not NAME: VALUE")
        name, value = raw_name.title(), value.strip(b" \t")
        if not _VALUE.fullmatch(value):
            raise Refused("400 Bad Request", f"the header field {name.decode()} holds a control character")
        if b"_" in name:
            continue
        if name in fields:
            if name in _ONCE:
                raise Refused("400 Bad Request", f"the header field {name.decode()} is there twice")
            value = fields[name] + (b"; " if name == b"Cookie" else b", ") + value
        fields[name] = value
    return fields


def _content_length(fields: dict[bytes, bytes], limits: FrontLimits) -> int:
    value = fields.get(b"Content-Length")
    if b"Transfer-Encoding" in fields:
        if value is not None:
            raise Refused("400 Bad Request", "Content-Length and Transfer-Encoding exclude each other")
        raise Refused("411 Length Required", "Transfer-Encoding is not taken; send a Content-Length")
    if value is None:
        return 0
    if not _LENGTH.fullmatch(value):
        raise Refused("400 Bad Request", "Content-Length is not a number of bytes")
    if int(value) > limits.body_bytes:
        raise Refused("413 Content Too Large", f"the body is longer than {limits.body_bytes} bytes")
    return int(value)


def _settle_connection(fields: dict[bytes, bytes]) -> None:
    """Write the Connection field as cheroot compares it: the bytes `close` or `Keep-Alive`, nothing else."""
    options = [option.strip().lower() for option in fields.get(b"Connection", b"").split(b",")]
    if b"close" in options:
        fields[b"Connection"] = b"close"
    elif b"keep-alive" in options:
        fields[b"Connection"] = b"Keep-Alive"
