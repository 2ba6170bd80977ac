"""`edgecv devices`: what can run models here, and why the rest cannot."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from edgecv.session import devices

from .table import columns

EPILOG = """\
A name of the first column goes into --device. What is there but cannot be used says why, and what
to do about it.

examples:
  edgecv devices
  edgecv devices --json | jq '.[] | select(.problem == "")'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="write a JSON array of objects")


def run(args: argparse.Namespace) -> int:
    """Print all devices of this machine."""
    found = devices()
    if args.json:
        print(json.dumps([asdict(device) for device in found], indent=1))
        return 0
    rows = [(d.name, d.runtime, d.description, "no" if d.problem else "yes") for d in found]
    print(columns([("device", "runtime", "what it is", "usable"), *rows]))
    for device in found:
        if device.problem:
            print(f"\n{device.runtime} {device.name}: {device.problem}")
    return 0
