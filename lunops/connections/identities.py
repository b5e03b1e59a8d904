"""Find the keys to log in with: named files, the ssh agent's, the usual files; certificates beside them."""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from lunops.connections.host_keys import HostKey
from lunops.connections.ssh_config import Endpoint


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A key to try, and what an error calls it."""

    label: str
    key: paramiko.PKey


class Identities:
    """Gives an endpoint's keys in the order of trying; `problems` says which could not be used, and why."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._agent: paramiko.Agent | None = None
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Identity]:
        used: set[bytes] = set()  # the agent often holds what also lies in a file
        for identity in self._candidates():
            name = identity.key.public_blob.key_blob if identity.key.public_blob else identity.key.asbytes()
            if name not in used:
                used.add(name)
                yield identity

    def close(self) -> None:
        """Hang up on the ssh agent."""
        if self._agent is not None:
            self._agent.close()

    def _candidates(self) -> Iterator[Identity]:
        for path in self._endpoint.key_files:
            yield from self._from_file(path, is_named=True)
        if not self._endpoint.only_named_keys:
            for key in self._agent_keys():
                yield Identity(label=f"{_name(key)} of the ssh agent", key=key)
        for path in self._endpoint.default_key_files:
            yield from self._from_file(path, is_named=False)

    def _from_file(self, path: Path, *, is_named: bool) -> Iterator[Identity]:
        try:
            key = paramiko.PKey.from_path(path)
        except FileNotFoundError:
            if is_named:
                self.problems.append(f"{path} is not there")
            return
        except OSError as error:
            self.problems.append(f"{path} cannot be read: {error.strerror}")
            return
        # cryptography raises TypeError or ValueError by format, paramiko its own
        except (TypeError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
            blob = _public_blob(path)
            held = [key for key in self._agent_keys() if key.asbytes() == blob]
            if held:
                yield Identity(label=f"{path} by the ssh agent", key=held[0])
            elif "password" in str(error).lower() or "encrypted" in str(error).lower():
                self.problems.append(f"{path} is encrypted, and the ssh agent does not hold it: ssh-add {path}")
            else:
                self.problems.append(f"{path} is not a usable private key: {error}")
            return
        if key.public_blob is not None:
            yield Identity(label=f"{path} with its certificate", key=key)
            key = copy.copy(key)
            key.public_blob = None
        yield Identity(label=f"{path} ({_name(key)})", key=key)

    def _agent_keys(self) -> tuple[paramiko.AgentKey, ...]:
        if self._agent is None:
            self._agent = paramiko.Agent()
        return tuple(self._agent.get_keys())


def _name(key: paramiko.PKey) -> str:
    return str(HostKey(kind=key.get_name(), blob=key.asbytes()))


def _public_blob(path: Path) -> bytes | None:
    """Return the public key that lies beside a private one."""
    try:
        return base64.b64decode(path.with_name(path.name + ".pub").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError, binascii.Error):
        return None
