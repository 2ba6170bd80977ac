"""A benchmark: rounds over all settings in turn, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import edgecv
from edgecv import modelfile, zoo
from edgecv.bench.loop import Effort
from edgecv.bench.measure import Round
from edgecv.bench.precision import precision_of
from edgecv.bench.record import Report, Run, round_from_json
from edgecv.bench.setting import Setting
from edgecv.bench.worker import job
from edgecv.machine import machine
from edgecv.model import complete_spec
from edgecv.zoo.checksums import sha256_of

PATIENCE = 120.0
"""Seconds that a process may take beyond its effort: it loads and may compile."""

Told = Callable[[Setting, int], None]
"""Called before each round with the setting and how many rounds are done."""


@dataclass(frozen=True)
class Wishes:
    """How a benchmark is done.

    Attributes:
        rounds: Processes for each setting.
        effort: What each of them does.
        streams: Numbers of models side by side, in the first round.
    """

    rounds: int = 5
    effort: Effort = field(default_factory=Effort)
    streams: tuple[int, ...] = (1,)


class Bench:
    """A benchmark that can be stopped at any time and keeps what it has.

    Args:
        settings: What is run.
        picture: A JPEG or PNG file.
        about: What a report says of the picture.
        wishes: How.
    """

    def __init__(
        self, settings: Sequence[Setting], picture: bytes, about: dict[str, Any], wishes: Wishes
    ) -> None:
        self._picture, self._about, self._wishes = picture, about, wishes
        self._created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._runs = {setting: _run(setting) for setting in settings}
        self._done = 0

    @property
    def total(self) -> int:
        """How many rounds there are in all."""
        return len(self._runs) * self._wishes.rounds

    def measure(self, told: Told) -> None:
        """Measure everything; a setting that fails has no further rounds."""
        with tempfile.TemporaryDirectory(prefix="edgecv-bench-") as folder:
            picture = Path(folder) / "picture"
            picture.write_bytes(self._picture)
            for number in range(self._wishes.rounds):
                for setting in list(self._runs):
                    told(setting, self._done)
                    if not self._runs[setting].error:
                        self._round(setting, number, Path(folder))
                    self._done += 1

    def report(self, *, notes: str = "", extra: dict[str, Any] | None = None) -> Report:
        """Return what has been measured so far.

        Args:
            notes: How it was obtained.
            extra: JSON values that go with it.
        """
        return Report(
            created=self._created, machine=machine().to_dict(), edgecv=edgecv.__version__,
            picture=self._about, runs=tuple(self._runs.values()),
            complete=self._done == self.total, notes=notes, extra=extra or {},
        )  # fmt: skip

    def _round(self, setting: Setting, number: int, folder: Path) -> None:
        streams = self._wishes.streams if not number else ()
        found = run_round(setting, folder, self._wishes.effort, streams)
        run = self._runs[setting]
        if isinstance(found, str):
            self._runs[setting] = replace(run, error=found)
            return
        self._runs[setting] = replace(run, rounds=(*run.rounds, found), error=found.error)


def run_round(
    setting: Setting, folder: Path, effort: Effort, streams: tuple[int, ...]
) -> Round | str:
    """Return what a new process measures, or why it did not.

    Args:
        setting: What it runs.
        folder: Where the file "picture" lies and the process may write.
        effort: How long it measures.
        streams: Numbers of models side by side.
    """
    task = folder / "job.json"
    answer = task.with_suffix(".out")
    answer.unlink(missing_ok=True)
    task.write_text(job(setting, folder / "picture", effort, streams), encoding="utf-8")
    limit = most_seconds(effort, streams)
    try:
        code = subprocess.run(
            [sys.executable, "-m", "edgecv.bench.worker", str(task)], check=False, timeout=limit,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no answer for {limit:.0f} s"
    if not answer.is_file():
        return f"the process died ({_death(code)})"
    values = json.loads(answer.read_text(encoding="utf-8"))
    return values["error"] if "error" in values else round_from_json(values["round"])


def most_seconds(effort: Effort, streams: Sequence[int]) -> float:
    """Return the time after which a process that measures is given up."""
    passes = max(effort.seconds, effort.most_seconds)
    return effort.warmup_seconds + passes + len(streams) * effort.seconds + PATIENCE


def _death(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _run(setting: Setting) -> Run:
    named = setting.model in zoo.names()
    path = zoo.fetch(setting.model) if named else Path(setting.model)
    spec = complete_spec(path, zoo.spec(setting.model) if named else None, None)
    return Run(
        setting, sha256_of(path), precision_of(path), modelfile.size_of(path) / 1e6, spec.task, ()
    )
