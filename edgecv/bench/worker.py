"""The process that measures one round: `python -m edgecv.bench.worker JOB.json`.

It writes what came out beside the job: JSON, with "round" or "error".
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecv.bench.loop import Effort
from edgecv.bench.measure import measure
from edgecv.bench.record import round_to_json
from edgecv.bench.setting import Setting
from edgecv.cache import write_atomic
from edgecv.errors import EdgeCVError


def job(setting: Setting, picture: Path, effort: Effort, streams: tuple[int, ...]) -> str:
    """Return the text of a job."""
    values = {"setting": asdict(setting), "picture": str(picture), "effort": asdict(effort)}
    return json.dumps({**values, "streams": streams})


def main(path: Path) -> int:
    """Do the job; return 0 where there is a round."""
    values = json.loads(path.read_text(encoding="utf-8"))
    answer: dict[str, Any]
    try:
        found = measure(
            Setting(**values["setting"]), Path(values["picture"]).read_bytes(),
            Effort(**values["effort"]), streams=values["streams"],
        )  # fmt: skip
        answer = {"round": round_to_json(found)}
    except (EdgeCVError, OSError, ValueError, MemoryError) as error:
        answer = {"error": " ".join(str(error).split()) or type(error).__name__}
    write_atomic(path.with_suffix(".out"), json.dumps(answer))
    return 0 if "round" in answer else 1


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)
