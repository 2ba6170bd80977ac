"""`edgecv bench --live`: how old a result is when an application gets it."""

from __future__ import annotations

import argparse
import json

import edgecv
from edgecv.bench.measure import open_setting
from edgecv.bench.setting import Setting
from edgecv.cache import write_atomic
from edgecv.machine import conditions, machine
from edgecv.pipeline import Pipeline

from .common import UsageError
from .inputs import open_sources
from .report import Status, table

SCHEMA = "edgecv.bench.live/1"
DEFAULT_SECONDS = 10.0


def run(args: argparse.Namespace, setting: Setting) -> int:
    """Run the model before a camera for some seconds and print what a run measures of itself.

    Raises:
        UsageError: Files were asked for that there are not.
        EdgeCVError: The source or the model cannot be opened.
    """
    if args.html or args.csv:
        raise UsageError("--live writes --json alone")
    seconds = max(args.seconds, DEFAULT_SECONDS)
    source, _ = open_sources([args.live])
    before = conditions()
    try:
        with open_setting(setting) as model:
            pipeline = Pipeline(source, model)
            status = Status(pipeline.stats)

            def tick() -> None:
                status()
                stats = pipeline.stats
                if stats.last - stats.first >= seconds:
                    pipeline.stop()

            stats = pipeline.run(tick)
            status.clear()
    finally:
        source.close()
    print(f"{setting}, from {args.live}\n{table(stats)}")
    if args.json:
        values = {
            "schema": SCHEMA, "edgecv": edgecv.__version__, "source": args.live,
            "setting": vars(setting), "machine": machine().to_dict(),
            "before": before.to_dict(), "after": conditions().to_dict(), **stats.to_dict(),
        }  # fmt: skip
        write_atomic(args.json, json.dumps(values, indent=1) + "\n")
    return 0 if stats.results else 1
