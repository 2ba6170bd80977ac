"""A run in a process of its own, killed without a word in the middle of an epoch."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_training import recipe_values, write_recipe

pytest.importorskip("tensorflow")

pytestmark = [
    pytest.mark.slow,
    # Keras 3.15 makes numpy arrays of variables in a way that numpy 2.4 warns of.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
TRAIN = [sys.executable, "-m", "edgecv.apps.cli", "train"]
SAME_EACH_TIME = ("epoch", "loss", "gradient", "lr", "top1", "top5")
EPOCHS = 4

# Sits in the data pipeline of the command and dies in the given step: kill -9, no clean-up at all.
DEADLY = """
import os, signal, sys
from edgecv.training import trainer
from edgecv.apps.cli import main
step, left = trainer.Trainer.step, [int(sys.argv.pop(1))]
number = getattr(signal, sys.argv.pop(1))
def dies(self, *given):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), number)
    return step(self, *given)
trainer.Trainer.step = dies
sys.exit(main())
"""


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [*TRAIN, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def run_and_die(after: int, number: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DEADLY, str(after), number, "train", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def figures(out: Path) -> list[tuple[str, ...]]:
    with (out / "history.csv").open(newline="") as file:
        return [tuple(row[name] for name in SAME_EACH_TIME) for row in csv.DictReader(file)]


def arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as archive:
        return {name: archive[name] for name in archive.files if name != "about"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    return write_recipe(folder / "tiny.toml", recipe_values(folder, run__epochs=EPOCHS))


@pytest.fixture(scope="module")
def whole(recipe: Path) -> tuple[Path, str]:
    """A run that was never stopped: its folder, and what it printed last."""
    out = recipe.parent / "whole"
    done = run(recipe, "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout.splitlines()[-2]


def test_a_killed_run_ends_as_if_it_had_never_stopped(recipe: Path, whole, tmp_path: Path) -> None:
    out, out_whole = tmp_path / "killed", whole[0]
    died = run_and_die(15, "SIGKILL", recipe, "--out", out)  # in epoch 3 of 6 steps each
    assert died.returncode == -signal.SIGKILL
    assert len(figures(out)) == 2
    died = run_and_die(9, "SIGKILL", recipe, "--out", out, "--resume")  # and again in epoch 4
    assert died.returncode == -signal.SIGKILL
    assert len(figures(out)) == 3
    ended = run(recipe, "--out", out, "--resume")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-2] == whole[1]
    assert figures(out) == figures(out_whole)
    for name in ("last.npz", "best.npz"):
        ours, theirs = arrays(out / name), arrays(out_whole / name)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_a_run_killed_at_any_moment_can_go_on(recipe: Path, whole, tmp_path: Path) -> None:
    """Kill by the clock: while files are written, while TensorFlow loads, wherever it is."""
    out = tmp_path / "killed"
    for _ in range(20):
        process = subprocess.Popen([*TRAIN, str(recipe), "--out", str(out), "--resume"])
        deadline = time.monotonic() + 60
        seen = len(figures(out)) if (out / "history.csv").exists() else -1
        while process.poll() is None and time.monotonic() < deadline:
            if (out / "history.csv").exists() and len(figures(out)) > seen:
                break
            time.sleep(0.005)
        process.kill()
        if process.wait() == 0:
            break
    assert run(recipe, "--out", out, "--resume").returncode == 0
    assert figures(out) == figures(whole[0])


@pytest.mark.parametrize(
    ("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupted_run_says_how_to_go_on(
    number: str, code: int, recipe: Path, whole, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    stopped = run_and_die(8, number, recipe, "--out", out)
    assert stopped.returncode == code
    assert "--resume goes on" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert figures(out) == figures(whole[0])[:1]
    if number == "SIGINT":
        assert run(recipe, "--out", out, "--resume").returncode == 0
        assert figures(out) == figures(whole[0])


def test_a_run_interrupted_in_its_first_epoch_goes_on_too(
    recipe: Path, whole, tmp_path: Path
) -> None:
    out = tmp_path / "early"
    assert run_and_die(2, "SIGKILL", recipe, "--out", out).returncode == -signal.SIGKILL
    assert json.loads((out / "history.json").read_text())["epochs"] == []
    assert run(recipe, "--out", out, "--resume").returncode == 0
    assert figures(out) == figures(whole[0])


def test_a_limit_to_the_size_of_files_leaves_the_last_checkpoint(
    recipe: Path, whole, tmp_path: Path
) -> None:
    """As a full disk or a quota does: writing fails, what was there stays."""
    out = tmp_path / "limited"
    assert run_and_die(8, "SIGKILL", recipe, "--out", out).returncode == -signal.SIGKILL
    before = (out / "last.npz").read_bytes()
    limit = len(before) // 2
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "from edgecv.apps.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "train", str(recipe), "--out", str(out), "--resume"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert (out / "last.npz").read_bytes() == before
    assert run(recipe, "--out", out, "--resume").returncode == 0
    assert figures(out) == figures(whole[0])
