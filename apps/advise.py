"""`edgecv advise`: the fastest way to run a model here that keeps its accuracy."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgecv import advice, modelfile, zoo
from edgecv.advice import Advice
from edgecv.bench.picture import example, picture_file
from edgecv.bench.race import ALIKE, Place, race
from edgecv.bench.setting import Setting
from edgecv.model import complete_spec
from edgecv.progress import bar

from .advise_field import Candidate, Field, field_of, floor_of
from .advise_floor import Floor
from .common import warn
from .options import add_spec_options, count, names, spec_changes
from .table import columns
from .variants import PRECISIONS

EPILOG = """\
Every format and precision that the model can be made into, every runtime, device and number of
threads of this machine is a candidate. What loses more than --max-drop points against the model as
it is, on the runtime in question, is out; so is what is larger than --max-mb. The rest race: all in
short, those near the front three times more, each time in a process of its own. Differences under
3 % are none: then fewer threads win. Each loser is told why.

The choice is kept, for this model file and this machine: `edgecv.load(model)` and every command
use it where no device, runtime or threads are given (EDGECV_ADVICE=0 turns that off). --forget
takes it back.

Accuracy is measured with --eval and labelled pictures, as `edgecv eval` does. Without, results are
compared with those of the model as it is, on the photographs of --data, or on those of the demo:
that is agreement, not accuracy. int8 is calibrated on --data, else on the same photographs.

examples:
  edgecv advise mobilenet_v1_0.25_224_fp32 --max-drop 1.0
  edgecv advise run/best.keras --data flowers/train --eval flowers/val --max-drop 1.0
  edgecv advise mine.onnx --max-ms 30 --max-mb 8
  edgecv advise mine.onnx --forget

exit codes: 0 there is an advice; 1 nothing keeps to the limits, or something went wrong; 2 the
command line is wrong.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="NAME|FILE", help="a name of `edgecv models`, or a file")
    parser.add_argument("--max-drop", type=float, default=1.0, metavar="POINTS",
                        help="hundredths that accuracy may fall (default: 1.0)")  # fmt: skip
    parser.add_argument("--max-ms", type=float, metavar="MS",
                        help="milliseconds that nine of ten pictures may take")  # fmt: skip
    parser.add_argument("--max-mb", type=float, metavar="MB", help="size that a file may have")
    parser.add_argument("--eval", type=Path, metavar="DIR", help="labelled pictures")
    parser.add_argument("--limit", type=count("pictures"), default=200, metavar="N",
                        help="of those, take N (default: 200)")  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="photographs, to calibrate with")
    parser.add_argument("--image", type=Path, metavar="FILE",
                        help="what the race is run on (default: a test pattern)")  # fmt: skip
    parser.add_argument("--precision", type=names, default=PRECISIONS, metavar="NAMES",
                        help=f"(default: {','.join(PRECISIONS)})")  # fmt: skip
    parser.add_argument("--runtime", type=names, default=(), metavar="NAMES",
                        help="the only runtimes (default: all)")  # fmt: skip
    parser.add_argument("--threads", type=_counts, default=(), metavar="NUMBERS",
                        help="(default: 1, 2, 4 up to the cores there are)")  # fmt: skip
    parser.add_argument("--forget", action="store_true", help="take back what was advised")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_spec_options(parser)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(count("threads")(word) for word in text.split(","))


def run(args: argparse.Namespace) -> int:
    """Find the best way, keep it, and say why it is."""
    named = args.model in zoo.names()
    if not named and Path(args.model).suffix not in modelfile.SUFFIXES:
        zoo.entry(args.model)  # raises, and names the nearest
    path = zoo.fetch(args.model) if named else Path(args.model)
    modelfile.check(path)
    if args.forget:
        return _forget(path)
    found = zoo.spec(args.model) if named else None
    spec = complete_spec(path, found, spec_changes(args, "") or None)
    floor = floor_of(args, spec)
    with bar(spec.name) as report:
        field = field_of(args, path, spec, floor)
        places = race(
            list(field.runners), picture_file(args.image)[0] if args.image else example()[0],
            lambda setting, done, total: report(done, total), fault=field.fault,
        )  # fmt: skip
    return _tell(args, path, field, places)


def _forget(path: Path) -> int:
    known = advice.advice_file(path)
    if not known.is_file():
        print(f"{path.name}: there is no advice for it on this machine")
        return 0
    known.unlink()
    print(f"{path.name}: the advice is taken back; `load` follows its own order again")
    return 0


def _tell(args: argparse.Namespace, path: Path, field: Field, places: Sequence[Place]) -> int:
    """Print who won and why the others lost, and keep the winner."""
    winner = next((p for p in places if _may_win(p, field, args)), None)
    reasons = {**{place.setting: _why_not(place, winner, args) for place in places}, **field.out}
    chosen = None
    if winner is not None:
        chosen = _advice(winner, field.runners[winner.setting], args, field.floor)
        advice.remember(path, chosen)
    if args.json:
        print(json.dumps(_to_json(chosen, places, reasons), indent=1))
    else:
        _print(field, places, reasons)
    spoiled = sorted({kind for place in places for kind in place.spoiled})
    if spoiled:
        warn(f"the machine was not quiet ({', '.join(spoiled)}): ask again when it is")
    if winner is None:
        warn("nothing keeps to these limits; no advice was kept")
    return 0 if winner is not None else 1


def _may_win(place: Place, field: Field, args: argparse.Namespace) -> bool:
    return not place.fault and _in_time(place, args) and not field.fault(place.setting)


def _in_time(place: Place, args: argparse.Namespace) -> bool:
    return args.max_ms is None or place.time_ms <= args.max_ms


def _why_not(place: Place, winner: Place | None, args: argparse.Namespace) -> str:
    """Return in a sentence why a runner lost, or that it did not."""
    if place is winner:
        return "the fastest that keeps to the limits"
    if place.fault:
        return place.fault
    if not _in_time(place, args):
        return f"takes {place.time_ms:.2f} ms, more than {args.max_ms:g}"
    if winner is None:
        return ""
    ratio, more = place.time_ms / winner.time_ms, place.setting.threads > winner.setting.threads
    if ratio <= ALIKE:
        return "is as fast and takes more threads" if more else "is as fast, by a hair less"
    return f"takes {ratio:.2f} x the winner's time"


def _advice(winner: Place, candidate: Candidate, args: argparse.Namespace, floor: Floor) -> Advice:
    setting = winner.setting
    limits = [f"accuracy within {args.max_drop:g} points, {floor.how}"]
    limits += [f"at most {args.max_ms:g} ms"] if args.max_ms is not None else []
    limits += [f"at most {args.max_mb:g} MB"] if args.max_mb is not None else []
    return Advice(
        str(candidate.file.resolve()), setting.runtime, setting.device, setting.threads,
        candidate.precision, round(winner.time_ms, 4),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "the fastest of " + "; ".join(limits),
    )  # fmt: skip


def _print(field: Field, places: Sequence[Place], reasons: Mapping[Setting, str]) -> None:
    rows = [("file", "precision", "runtime", "device", "threads", "p90 ms", "MB", "")]
    times = {place.setting: place.time_ms for place in places if place.times_ms}
    for setting, why in reasons.items():
        known = field.runners.get(setting)
        size = f"{modelfile.size_of(known.file) / 1e6:.1f}" if known else "-"
        rows.append(
            (setting.name, known.precision if known else "-", setting.runtime, setting.device,
             str(setting.threads or "-"), f"{times[setting]:.2f}" if setting in times else "-",
             size, why)
        )  # fmt: skip
    print(columns(rows, right=(4, 5, 6)))
    print(f"\np90 of a picture from pixels to the result; accuracy: {field.floor.how}")
    for (file, where), kept in field.kept.items():
        if kept.holds:
            print(f"  {file} by {where}: {kept.said}")


def _to_json(
    chosen: Advice | None, places: Sequence[Place], reasons: Mapping[Setting, str]
) -> dict[str, Any]:
    times = {place.setting: place.time_ms for place in places if place.times_ms}
    faults = {place.setting: place.fault for place in places}
    candidates = [
        {**asdict(setting), "p90_ms": times.get(setting), "fault": faults.get(setting, why),
         "why": why}
        for setting, why in reasons.items()
    ]  # fmt: skip
    return {"advice": asdict(chosen) if chosen else None, "candidates": candidates}
