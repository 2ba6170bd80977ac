"""What a check found, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

Status = Literal["ok", "warning", "broken", "skipped"]

OK: Status = "ok"
WARNING: Status = "warning"
BROKEN: Status = "broken"
SKIPPED: Status = "skipped"


class Verdict(NamedTuple):
    """What a check says, without its name.

    Attributes:
        status: "ok"; "warning": works, but badly or not for long; "broken"; "skipped": does not
            matter on this machine.
        what: What is the case, in a sentence.
        fix: The command that mends it, or what to do where no command can; empty when all is well.
    """

    status: Status
    what: str
    fix: str = ""


@dataclass(frozen=True)
class Finding:
    """A check's name and what it says: see `Verdict`."""

    name: str
    status: Status
    what: str
    fix: str

    def to_dict(self) -> dict[str, str]:
        """Return the fields as JSON takes them."""
        return asdict(self)


def ok(what: str) -> Verdict:
    """Return the verdict that all is well."""
    return Verdict(OK, what)


def warning(what: str, fix: str) -> Verdict:
    """Return the verdict that something works badly, or not for long."""
    return Verdict(WARNING, what, fix)


def broken(what: str, fix: str) -> Verdict:
    """Return the verdict that something does not work."""
    return Verdict(BROKEN, what, fix)


def skipped(what: str) -> Verdict:
    """Return the verdict that a check does not matter here."""
    return Verdict(SKIPPED, what)
