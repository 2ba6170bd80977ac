"""How good and how quick `edgecv advise` is, against a measurement of everything.

    python -m benchmarks.advise [NAME|FILE]

The whole command runs in an empty cache, then every candidate that keeps the accuracy is measured
in five long rounds, in turns. Exits with 1 when the advice takes more than 1.05 of the best one's
time, or the command more than 60 s.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from edgecv.bench.bench import run_round
from edgecv.bench.loop import Effort
from edgecv.bench.picture import example
from edgecv.bench.race import frame_ms
from edgecv.bench.setting import Setting

MODEL = "mobilenet_v2_1.0_224_int8"
MOST_RATIO, MOST_SECONDS = 1.05, 60.0
ROUNDS = 5
EFFORT = Effort(seconds=1.5, count=30)


def advised(model: str) -> tuple[dict[str, Any], float]:
    """Return what `edgecv advise` says, and the seconds that it took."""
    start = monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "edgecv.apps.cli", "advise", model, "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found, monotonic() - start


def setting_of(values: Mapping[str, Any]) -> Setting:
    """Return the setting of a candidate."""
    return Setting(*(values[name] for name in Setting.__dataclass_fields__))


def exhaustive(settings: Sequence[Setting]) -> dict[Setting, float]:
    """Return the median over rounds of the 90th percentile of each setting, in milliseconds."""
    times: dict[Setting, list[float]] = {setting: [] for setting in settings}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "picture").write_bytes(example()[0])
        for _ in range(ROUNDS):
            for setting in settings:
                found = run_round(setting, folder, EFFORT, ())
                if not isinstance(found, str):
                    times[setting].append(frame_ms(found))
    return {setting: statistics.median(kept) for setting, kept in times.items() if kept}


def main(arguments: list[str] | None = None) -> int:
    """Compare; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", nargs="?", default=MODEL, metavar="NAME|FILE")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["EDGECV_CACHE"] = cache
        said, seconds = advised(given.model)
        choice = said["advice"]
        timed = [setting_of(one) for one in said["candidates"] if not one["fault"]]
        times = exhaustive(timed)
    for setting, time in sorted(times.items(), key=lambda item: item[1]):
        print(f"{time:8.2f} ms  {setting}")
    mine = next(
        time for one, time in times.items()
        if (one.runtime, one.device, one.threads)
        == (choice["runtime"], choice["device"], choice["threads"])
        and Path(choice["file"]).stem in (Path(one.model).stem, one.name)
    )  # fmt: skip
    against = mine / min(times.values())
    print(f"advised {choice['runtime']} on {choice['device']}, {choice['threads']} threads: "
          f"{against:.3f} x the best, found in {seconds:.0f} s")  # fmt: skip
    passed = against <= MOST_RATIO and seconds <= MOST_SECONDS
    print("all within the limits" if passed else "A LIMIT WAS PASSED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
