"""Everything that can go wrong, as one tree: each error says what happened, where, and how to mend it.

LunopsError
├── InputError            the user's words are wrong: nothing was done, mend and run again
│   ├── BadValueError     a value is not the dataset, IQN, size, portal … that it should be
│   ├── InventoryError    the inventory file, or what was looked up in it
│   ├── PlaybookError     the playbook file
│   ├── TemplateError     a Jinja template, or the fragment that it renders to
│   ├── SettingsError     a settings file: the service's, or that of the command line
│   ├── SavedPlanError    a saved plan: damaged, or what it was made from has changed
│   └── VaultError        an encrypted file or value, or what should open it
│       └── VaultKeyError none of the passphrases given opens it
├── NotYetKnownError      an expression uses a value that only the run will give
├── HeadError             a head could not do it
│   ├── UnreachableError  no connection, or it was lost: what ran last has an unknown outcome
│   │   └── HostKeyError  the head's host key is unknown or has changed
│   ├── PrivilegeError    become was refused
│   ├── AgentError        the agent on the head died, or said what is not in the protocol
│   ├── DeadlineError     the head did not answer in time
│   └── WedgedError       the head's kernel hangs in LIO work, and it takes no more
├── JobError              a job cannot be accepted, found or changed
│   └── QueueFullError    too many jobs are unfinished: ask again later
├── StoreError            the store of the jobs cannot be read or written
│   └── StoreFullError    its disk is full
└── CertificateError      a certificate or key could not be made, read or trusted
"""

from __future__ import annotations


class LunopsError(Exception):
    """An error with three parts: what happened, where, and how to mend it.

    `where` is a file and key path, or a head and task; `fix` is a sentence for the reader.
    Both may be empty when the caller adds them later with `at`.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        text = self.what
        if self.where:
            text += f" ({self.where})"
        if self.fix:
            text += f"; {self.fix}"
        return text

    def at(self, where: str) -> LunopsError:
        """Return the same error with `where` put in front of the place that it names already."""
        place = f"{where}: {self.where}" if self.where else where
        return type(self)(self.what, where=place, fix=self.fix)


class InputError(LunopsError):
    """The user's words are wrong; nothing was done."""


class BadValueError(InputError):
    """A value is not the dataset, IQN, size, portal … that it should be."""


class InventoryError(InputError):
    """The inventory file is wrong, or does not hold what was looked up in it."""


class PlaybookError(InputError):
    """The playbook is wrong."""


class TemplateError(InputError):
    """A template does not render, or renders to what is not a fragment."""


class SettingsError(InputError):
    """A settings file is wrong."""


class SavedPlanError(InputError):
    """A saved plan is damaged, of another format, or what it was made from has changed."""


class VaultError(InputError):
    """An encrypted file or value is damaged or of an unknown kind, or the source of a passphrase is wrong."""


class VaultKeyError(VaultError):
    """None of the passphrases given opens it."""


class NotYetKnownError(LunopsError):
    """An expression uses a value that only the run will give, or that a task would have given that did not run."""

    def __init__(self, name: str, why: str = "", *, where: str = "", fix: str = "") -> None:
        super().__init__(f"{name!r} is not known yet" + (f": {why}" if why else ""), where=where, fix=fix)
        self.name = name
        self.why = why

    def at(self, where: str) -> NotYetKnownError:
        """Return the same error with `where` put in front of the place that it names already."""
        place = f"{where}: {self.where}" if self.where else where
        return NotYetKnownError(self.name, self.why, where=place, fix=self.fix)


class HeadError(LunopsError):
    """A head could not do what it was asked."""


class UnreachableError(HeadError):
    """There is no connection to the head, or it was lost; what ran last has an unknown outcome."""


class HostKeyError(UnreachableError):
    """The head's host key is unknown or has changed."""


class PrivilegeError(HeadError):
    """The head refused `become`."""


class AgentError(HeadError):
    """The agent on the head died, or said what is not in the protocol."""


class DeadlineError(HeadError):
    """The head did not answer in time; what ran last has an unknown outcome."""


class WedgedError(HeadError):
    """The head's kernel hangs in LIO work, and it takes no more until that ends or the head is rebooted."""


class JobError(LunopsError):
    """A job cannot be accepted, found or changed."""


class QueueFullError(JobError):
    """Too many jobs are unfinished; `retry_after_s` says when to ask again."""

    def __init__(self, what: str, *, where: str = "", fix: str = "", retry_after_s: int = 1) -> None:
        super().__init__(what, where=where, fix=fix)
        self.retry_after_s = retry_after_s


class StoreError(LunopsError):
    """The store of the jobs cannot be read or written at this moment."""


class StoreFullError(StoreError):
    """The disk of the store is full."""


class CertificateError(LunopsError):
    """A certificate or key could not be made, read or trusted."""
