"""What the harness of `edgecv bench` costs, and how often its verdicts are wrong.

    python -m benchmarks.harness                 cost: a pass against a bare loop of the same calls
    python -m benchmarks.harness --verdicts 20   also verdicts: the same setting measured twice, and
                                                 once with a tenth more time, so many times each

Exits with 1 when a limit is passed: 1 % or 20 microseconds a pass, whichever is more; one wrong
verdict in twenty. "Too noisy to see a tenth" is no wrong verdict of a slower run; it is counted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

import edgecv
from edgecv.bench.bench import run_round
from edgecv.bench.compare import compare
from edgecv.bench.loop import Effort, passes
from edgecv.bench.measure import Round, one_pass
from edgecv.bench.picture import example
from edgecv.bench.record import Run
from edgecv.bench.setting import Setting

MODEL = "mobilenet_v1_0.25_224_int8"
MOST_PART, MOST_MICROSECONDS = 0.01, 20.0
CALLS = 60
SLOWER = 1.10


def cost(rounds: int) -> bool:
    """Print what the harness adds to a pass; return whether that is within the limits."""
    picture, _ = example()
    data = np.frombuffer(picture, np.uint8)
    with edgecv.load(MODEL, device="cpu", threads=1) as model:

        def bare() -> None:
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)
            tensor, placement = model.preprocess(image)  # type: ignore[arg-type]
            model.decode(model.infer(tensor), placement)

        def many() -> None:
            for _ in range(CALLS):
                bare()

        once = one_pass(model, picture)
        effort = Effort(seconds=0.0, count=CALLS)
        ways: dict[str, Callable[[], object]] = {
            "bare": many,
            "harness": lambda: passes(once, effort),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name in list(ways) if turn % 2 else reversed(ways):
                start = perf_counter()
                ways[name]()
                times[name].append((perf_counter() - start) / CALLS * 1e6)
    pairs = zip(times["harness"], times["bare"], strict=True)
    extra = statistics.median(ours - theirs for ours, theirs in pairs)
    base = statistics.median(times["bare"])
    print(f"bare {base:.1f} us a pass, harness {extra:+.1f} us ({extra / base:+.2%})")
    return extra <= max(MOST_PART * base, MOST_MICROSECONDS)


def measured(setting: Setting, folder: Path, rounds: int, effort: Effort) -> Run:
    """Return so many rounds of a setting, each in a process of its own."""
    kept: list[Round] = []
    for _ in range(rounds):
        found = run_round(setting, folder, effort, ())
        if isinstance(found, str):
            raise RuntimeError(found)
        kept.append(found)
    return Run(setting, "", "int8", 0.0, "classification", tuple(kept))


def slowed(run: Run) -> Run:
    """Return a run all of whose passes took a tenth longer."""
    return replace(
        run,
        rounds=tuple(
            replace(one, samples_ms={k: v * SLOWER for k, v in one.samples_ms.items()})
            for one in run.rounds
        ),
    )


def verdicts(tries: int, rounds: int) -> bool:
    """Print how often the same is called different, and a tenth is missed."""
    setting = Setting(MODEL, "tflite", "cpu", 1)
    effort = Effort(seconds=0.5, count=20, warmup_seconds=1.0)
    alarms = missed = blunt = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "picture").write_bytes(example()[0])
        for number in range(tries):
            one, other = (measured(setting, folder, rounds, effort) for _ in range(2))
            same, slower = compare(one, other), compare(one, slowed(other))
            alarms += same.word != "no difference"
            blunt += slower.blunt and slower.word == "no difference"
            missed += slower.word != "slower" and not slower.blunt
            print(f"{number + 1:3} the same: {same}; a tenth slower: {slower}", flush=True)
    print(
        f"called different {alarms} of {tries}; a tenth missed {missed} of {tries}, "
        f"too noisy to see it {blunt}"
    )
    return max(alarms, missed) <= tries / 20


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=25, help="turns of each loop")
    parser.add_argument("--verdicts", type=int, default=0, metavar="TRIES")
    given = parser.parse_args(arguments)
    passed = [cost(given.rounds)]
    if given.verdicts:
        passed.append(verdicts(given.verdicts, 5))
    print("all within the limits" if all(passed) else "A LIMIT WAS PASSED")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
