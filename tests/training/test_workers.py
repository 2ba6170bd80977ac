"""Several machines, shown with worker processes on this one that meet over real sockets."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_training import recipe_values, write_network, write_recipe

pytest.importorskip("tensorflow")
from edgecv.training.errors import TrainingError
from edgecv.training.workers import machines

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_two_workers.py"
COMMAND = [sys.executable, "-m", "edgecv.apps.cli", "train"]


def run(command: list[str], *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, words)], capture_output=True, text=True, check=False, timeout=300
    )


def losses(out: Path) -> list[float]:
    with (out / "history.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def weights(out: Path) -> list[np.ndarray]:
    with np.load(out / "last.npz") as archive:
        return [archive[name] for name in sorted(archive.files) if name != "about"]


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLE.is_file(), reason="needs the source tree")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_two_workers_learn_what_one_machine_learns(tmp_path: Path) -> None:
    """Without batch norm, whose statistics are each machine's own, the sums are the same."""
    plain = write_network(tmp_path / "plain.keras", plain=True)
    changes = {"model__name": str(plain), "run__epochs": 3, "optimizer__clip_norm": 0.5}
    recipe = write_recipe(tmp_path / "tiny.toml", recipe_values(tmp_path, **changes))
    alone = run(COMMAND, recipe, "--out", tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    both = run([sys.executable, str(EXAMPLE)], recipe, "--out", tmp_path / "both")
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("best epoch") == 1
    np.testing.assert_allclose(losses(tmp_path / "both"), losses(tmp_path / "alone"), rtol=1e-3)
    for ours, theirs in zip(weights(tmp_path / "both"), weights(tmp_path / "alone"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_workers_with_different_checkpoints_do_not_go_on(tmp_path: Path) -> None:
    """As on two machines that share no folder: the second one has none of the files."""
    recipe = write_recipe(tmp_path / "tiny.toml", recipe_values(tmp_path, run__epochs=1))
    assert run(COMMAND, recipe, "--out", tmp_path / "first").returncode == 0
    with socket.socket() as one, socket.socket() as two:
        one.bind(("localhost", 0))
        two.bind(("localhost", 0))
        workers = [f"localhost:{s.getsockname()[1]}" for s in (one, two)]
    started = []
    for index, out in enumerate(("first", "second")):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        command = [*COMMAND, str(recipe), "--out", str(tmp_path / out), "--resume"]
        env = {**os.environ, "TF_CONFIG": json.dumps(task)}
        started.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [1, 1]
    assert "last.npz is after 1 epochs here and not on another machine" in said[0]
    assert "copy the file to every machine" in said[1]


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLE.is_file(), reason="needs the source tree")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_two_workers_with_batch_norm_keep_one_network(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", recipe_values(tmp_path, run__epochs=2))
    both = run([sys.executable, str(EXAMPLE)], recipe, "--out", tmp_path / "run")
    assert both.returncode == 0, both.stderr
    again = run([sys.executable, str(EXAMPLE)], recipe, "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    for ours, theirs in zip(weights(tmp_path / "run"), weights(tmp_path / "again"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}),
        json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}),
        json.dumps({"cluster": {"worker": "a:1"}, "task": 3}),
    ],
    ids=["no JSON", "empty", "no such worker", "no worker", "no table"],
)
def test_a_wrong_cluster_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(TrainingError, match="TF_CONFIG has to be"):
        machines()


def test_without_a_cluster_this_machine_trains_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    who = machines()
    assert (who.index, who.count, who.is_first) == (0, 1, True)
    assert who.strategy.num_replicas_in_sync == 1
