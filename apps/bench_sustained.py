"""`edgecv bench --sustained`: what is left of the first seconds' speed after minutes."""

from __future__ import annotations

import argparse
from typing import Any

from edgecv.bench.bench import Bench, Wishes
from edgecv.bench.loop import Effort
from edgecv.bench.page import render
from edgecv.bench.picture import pixels
from edgecv.bench.record import write_report
from edgecv.bench.setting import Setting
from edgecv.bench.sustained import Sustained, sustain
from edgecv.cache import write_atomic
from edgecv.progress import bar

from .common import warn


def run(args: argparse.Namespace, setting: Setting, picture: bytes, about: dict[str, Any]) -> int:
    """Measure one setting in short, then without a pause, and write both.

    Raises:
        EdgeCVError: It could not be opened.
    """
    bench = Bench([setting], picture, about, Wishes(1, Effort(seconds=args.seconds)))
    bench.measure(lambda one, done: None)
    image = pixels(picture)
    with bar(f"{setting.name} without a pause", unit="s") as report:
        found = sustain(setting, image, args.sustained, lambda s: report(int(s), args.sustained))
    whole = bench.report(notes=args.notes, extra={"sustained": found.to_dict()})
    if args.json:
        write_report(args.json, whole)
    if args.html:
        write_atomic(args.html, render(whole))
    print(_said(setting, found))
    if found.error:
        warn(found.error)
    return 130 if found.error == "interrupted" else 1 if found.error else 0


def _said(setting: Setting, found: Sustained) -> str:
    burst, steady = found.burst_ms, found.steady_ms
    parts = [
        f"{setting}, {found.seconds[-1]:.0f} s without a pause",
        f"first seconds {burst:.2f} ms, at the end {steady:.2f} ms: {steady / burst - 1:+.1%}",
    ]
    for name, unit, values in (
        ("temperature", "degrees C", found.temperature_c),
        ("clock", "MHz", found.mhz),
    ):
        known = [value for value in values if value is not None]
        if known:
            parts.append(f"{name} {known[0]:.0f} to {known[-1]:.0f} {unit}")
        else:
            parts.append(f"{name}: this machine does not tell")
    return "\n".join(parts)
