"""What the kernel and rtslib take for the values of a fragment: Linux 6.1 as tried, later kernels as documented.

What is out of bounds here would fail half-way on the head, or, worse, at its next boot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lunops.near import hint

_MOST = 0xFFFFFFFF


class Bound(Protocol):
    """What a value has to keep to."""

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value, or the empty text."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Whole numbers from `least` to `most`, or just those listed."""

    least: int = 0
    most: int = 1
    only: tuple[int, ...] = ()
    why: str = ""

    def problem(self, value: int) -> str:
        """Return what is wrong with a value, or the empty text."""
        good = value in self.only if self.only else self.least <= value <= self.most
        if good:
            return ""
        wanted = ", ".join(map(str, self.only)) if self.only else f"{self.least} to {self.most}"
        return f"must be {wanted}, not {value}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, kw_only=True)
class Words:
    """A list of words, comma-separated, each one of these; or any text if there are none."""

    words: tuple[str, ...] = ()
    most: int = 1

    def problem(self, value: str) -> str:
        """Return what is wrong with a value, or the empty text."""
        given = value.split(",")
        if not self.words or (set(given) <= set(self.words) and len(set(given)) == len(given) <= self.most):
            return ""
        several = " (several with a comma between)" if self.most > 1 else ""
        return f"must be of {', '.join(self.words)}{several}, not {value!r}"


@dataclass(frozen=True, kw_only=True)
class Digits:
    """A whole number written as text."""

    least: int
    most: int

    def problem(self, value: str) -> str:
        """Return what is wrong with a value, or the empty text."""
        if value.isascii() and value.isdigit() and self.least <= int(value) <= self.most:
            return ""
        return f"must be {self.least} to {self.most}, as text, not {value!r}"


_FLAG = Numbers()
_ANY = Numbers(most=_MOST)
_ON = Numbers(least=1, why="the kernel takes no other for a volume or a file")
_OFF = Numbers(most=0, why="the kernel takes no other for a volume or a file")
_NO_PI = Numbers(most=0, why="protection information is not supported by lunops")
_YES_NO = Words(words=("Yes", "No"))
_DIGEST = Words(words=("CRC32C", "None"), most=2)
_LENGTH = Digits(least=512, most=16777215)


def _flags(names: str) -> dict[str, Numbers]:
    return dict.fromkeys(names.split(), _FLAG)


STORAGE: Mapping[str, Bound] = {
    **_flags(
        "emulate_3pc emulate_caw emulate_fua_write emulate_model_alias emulate_pr emulate_rsoc emulate_tas emulate_tpu "
        "emulate_tpws emulate_write_cache enforce_pr_isids force_pr_aptpl is_nonrot unmap_zeroes_data"
    ),
    **dict.fromkeys(("alua_support", "emulate_dpo", "emulate_fua_read", "pgr_support"), _ON),
    "emulate_rest_reord": _OFF,
    **dict.fromkeys(("pi_prot_format", "pi_prot_type", "pi_prot_verify"), _NO_PI),
    "block_size": Numbers(only=(512, 1024, 2048, 4096)),
    "emulate_ua_intlck_ctrl": Numbers(most=2),
    **dict.fromkeys(
        ("max_unmap_block_desc_count", "max_unmap_lba_count", "max_write_same_len", "unmap_granularity"), _ANY
    ),
    "unmap_granularity_alignment": _ANY,
    "optimal_sectors": _ANY,  # hw_max_sectors at most, which only the head knows
    "queue_depth": Numbers(least=1, most=65535),  # hw_queue_depth at most, which only the head knows
    "submit_type": Numbers(most=2),
}
ALUA: Mapping[str, Bound] = {
    **_flags(
        "alua_support_active_nonoptimized alua_support_active_optimized alua_support_offline alua_support_standby "
        "alua_support_transitioning alua_support_unavailable alua_write_metadata preferred"
    ),
    "alua_access_state": Numbers(most=3),
    "alua_access_status": Numbers(most=2),
    "alua_access_type": Numbers(most=3),
    "implicit_trans_secs": Numbers(most=255),
    "nonop_delay_msecs": Numbers(most=10000),
    "trans_delay_msecs": Numbers(most=30000),
}
TPG: Mapping[str, Bound] = {
    **_flags(
        "authentication cache_dynamic_acls demo_mode_discovery demo_mode_write_protect generate_node_acls "
        "login_keys_workaround prod_mode_write_protect t10_pi tpg_enabled_sendtargets"
    ),
    "default_cmdsn_depth": Numbers(least=1, most=512),
    "default_erl": Numbers(most=2),
    "fabric_prot_type": Numbers(only=(0, 1, 3)),
    "login_timeout": Numbers(least=5, most=30),
    "netif_timeout": Numbers(least=2, most=15),
}
ACL: Mapping[str, Bound] = {
    **_flags("random_datain_pdu_offsets random_datain_seq_offsets random_r2t_offsets"),
    "authentication": Numbers(least=-1, why="-1: as its target portal group has it"),
    "dataout_timeout": Numbers(least=2, most=60),
    "dataout_timeout_retries": Numbers(least=1, most=15),
    "default_erl": Numbers(most=2),
    "nopin_response_timeout": Numbers(least=3, most=60),
    "nopin_timeout": Numbers(only=(0, *range(3, 61)), why="0: never ask"),
}
PARAMETERS: Mapping[str, Bound] = {
    "AuthMethod": Words(words=("CHAP", "None"), most=2),
    "DataDigest": _DIGEST,
    "HeaderDigest": _DIGEST,
    **dict.fromkeys(
        ("DataPDUInOrder", "DataSequenceInOrder", "IFMarker", "ImmediateData", "InitialR2T", "OFMarker"), _YES_NO
    ),
    "DefaultTime2Retain": Digits(least=0, most=3600),
    "DefaultTime2Wait": Digits(least=0, most=3600),
    "ErrorRecoveryLevel": Digits(least=0, most=2),
    **dict.fromkeys(
        ("FirstBurstLength", "MaxBurstLength", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength"), _LENGTH
    ),
    "MaxConnections": Digits(least=1, most=65535),
    "MaxOutstandingR2T": Digits(least=1, most=65535),
    "IFMarkInt": Words(),
    "OFMarkInt": Words(),
    "TargetAlias": Words(),
}


def problem(name: str, value: Any, table: Mapping[str, Bound]) -> tuple[str, str]:
    """Return what is wrong with a value under its name, and how to mend it; empty texts if it is good."""
    bound = table.get(name)
    if bound is None:
        if name.startswith("hw_"):
            return f"{name!r} is the hardware's, and cannot be set", "leave it out"
        return f"the kernel has no {name!r}", hint(name, table, "names")
    return bound.problem(value), ""
