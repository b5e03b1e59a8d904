"""Who is logged in to the targets of a simulated head, in the kernel's own words."""

from __future__ import annotations

from dataclasses import dataclass

from lunops.errors import LunopsError
from lunops.sim.state import State

_INFO = (
    "InitiatorName: {name}\nInitiatorAlias: \n"
    "LIO Session ID: {id}   ISID: 0x80 00 00 00 00 {low:02x}  TSIH: {id}  SessionType: Normal\n"
    "Session State: TARG_SESS_STATE_LOGGED_IN\n"
    "---------------------[iSCSI Session Values]-----------------------\n"
    "  CmdSN/WR  :  CmdSN/WC  :  ExpCmdSN  :  MaxCmdSN  :     ITT    :     TTT\n"
    " 0x00000040   0x00000040   0x00000001   0x00000040   0x00000001   0x00000000\n"
    "----------------------[iSCSI Connections]-------------------------\n"
    "CID: 0  Connection State: TARG_CONN_STATE_LOGGED_IN\n"
    "   Address {address} TCP  StatSN: 0x00000001\n"
)


class LoginRefusedError(LunopsError):
    """The target did not let the initiator in."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """One initiator, logged in to one TPG (its folder)."""

    id: int
    tpg: str
    initiator: str  # in lower case, as the kernel compares it
    name: str  # as the initiator wrote it
    address: str
    dynamic: bool  # let in without an ACL (generate_node_acls)


def every(state: State, tpg: str) -> tuple[Session, ...]:
    """Return the sessions of a TPG (its folder)."""
    rows = state.all("select id, initiator, name, address, dynamic from sessions where tpg = ? order by id", tpg)
    return tuple(
        Session(id=id_, tpg=tpg, initiator=initiator, name=name, address=address, dynamic=bool(dynamic_))
        for id_, initiator, name, address, dynamic_ in rows
    )


def of_acl(state: State, acl: str) -> Session | None:
    """Return the session of an ACL (its folder)."""
    tpg, initiator = acl.rsplit("/acls/", 1)
    return next((one for one in every(state, tpg) if one.initiator == initiator), None)


def dynamic(state: State, tpg: str) -> str:
    """Return the text of `dynamic_sessions`."""
    acls = {row[0] for row in state.all("select path from nodes where parent = ? and kind = 'dir'", tpg + "/acls")}
    strangers = [one for one in every(state, tpg) if f"{tpg}/acls/{one.initiator}" not in acls]
    return "".join(f"{one.initiator}\n\0" for one in strangers)


def info(state: State, acl: str) -> str:
    """Return the text of an ACL's `info`."""
    session = of_acl(state, acl)
    if session is None:
        return f"No active iSCSI Session for Initiator Endpoint: {acl.rsplit('/', 1)[1]}\n"
    return _INFO.format(name=session.name, id=session.id, low=session.id % 256, address=session.address)


def end(state: State, tpg: str, initiator: str = "") -> None:
    """End the sessions of a TPG (its folder), or those of one initiator; call it while changing the state."""
    state.do("delete from sessions where tpg = ?1 and (?2 = '' or initiator = ?2)", tpg, initiator)


def begin(state: State, tpg: str, name: str, address: str, *, is_dynamic: bool, portal: str = "") -> Session:
    """Note a new session; an older one of the same initiator ends. Call it while changing the state."""
    initiator = name.lower()
    end(state, tpg, initiator)
    state.do(
        "insert into sessions (tpg, initiator, name, address, dynamic, portal) values (?, ?, ?, ?, ?, ?)",
        tpg,
        initiator,
        name,
        address,
        int(is_dynamic),
        portal,
    )
    return every(state, tpg)[-1]
