"""`edgecv doctor`: what is wrong with this machine, and how to mend it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from edgecv.doctor import Finding, diagnose, gather
from edgecv.doctor.findings import BROKEN, OK, SKIPPED, WARNING
from edgecv.machine import Machine

from .table import columns

EPILOG = """\
What is broken does not work; a warning works, but badly or not for long. Beneath each stands what
mends it: a command to copy, or what to do where no command can. Nothing is changed by itself.

examples:
  edgecv doctor
  edgecv doctor --all                               also what is fine, and what does not matter here
  edgecv doctor --json | jq '.findings[] | select(.status == "broken") | .fix'
  edgecv doctor || exit 1                           in a script, before the camera is started

exit codes: 0 nothing is broken (there may be warnings); 1 something is broken.
"""

ORDER = (BROKEN, WARNING)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--all", action="store_true", help="also show what is fine, and what does not matter here"
    )
    parser.add_argument("--json", action="store_true", help="write all of it as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Look at this machine and print what is wrong with it."""
    facts = gather()
    findings = diagnose(facts)
    broken = any(finding.status == BROKEN for finding in findings)
    if args.json:
        print(json.dumps(_values(facts.machine, facts.conditions.to_dict(), findings), indent=1))
    else:
        print(report(facts.machine, findings, everything=args.all))
    return int(broken)


def report(machine: Machine, findings: Sequence[Finding], *, everything: bool) -> str:
    """Return the findings as text: the machine, what is wrong with its cure, and a summary.

    Args:
        machine: The machine they are about.
        findings: All findings.
        everything: Whether to list what is fine and what was skipped as well.
    """
    lines = [_title(machine)]
    for status in ORDER:
        for finding in findings:
            if finding.status == status:
                lines += ["", f"{status}: {finding.what}  [{finding.name}]"]
                lines += [f"    {finding.fix}"] if finding.fix else []
    if everything:
        rows = [(f.name, f.status, f.what) for f in findings if f.status not in ORDER]
        lines += ["", columns([("check", "", "what is the case"), *rows])]
    return "\n".join([*lines, "", _summary(findings)])


def _title(machine: Machine) -> str:
    what = machine.board or machine.architecture
    chip = " ".join(filter(None, (machine.cpu.model, *machine.cpu.features)))
    memory = f"{machine.memory_mb / 1e3:.1f} GB" if machine.memory_mb else ""
    words = (what, chip, memory, machine.os, f"Python {machine.python}")
    return ", ".join(filter(None, words))


def _summary(findings: Sequence[Finding]) -> str:
    counts = {
        status: sum(f.status == status for f in findings)
        for status in (BROKEN, WARNING, OK, SKIPPED)
    }
    warnings = "1 warning" if counts[WARNING] == 1 else f"{counts[WARNING]} warnings"
    return (
        f"{counts[BROKEN]} broken, {warnings}, {counts[OK]} fine, "
        f"{counts[SKIPPED]} that do not matter here"
    )


def _values(
    machine: Machine, conditions: dict[str, object], findings: Sequence[Finding]
) -> dict[str, object]:
    return {
        "machine": machine.to_dict(),
        "conditions": conditions,
        "findings": [finding.to_dict() for finding in findings],
    }
