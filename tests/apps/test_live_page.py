"""The page of a live run: pictures, the threshold, and people who are enrolled on it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import COMMAND

pytest.importorskip("uvicorn")


@contextmanager
def served(*words: object) -> Iterator[str]:
    """Start the command with a page; give the page's address; end it with Ctrl-C."""
    command = [*COMMAND, *map(str, words), "--web", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        said = running.stderr.readline().decode()
        try:
            yield said.partition("watch at ")[2].strip().rstrip("/")
        finally:
            running.send_signal(signal.SIGINT)
            _, err = running.communicate()
    assert (running.returncode, err) == (130, b"")


def ask(url: str, method: str = "GET", body: dict | None = None) -> Any:
    """Return the JSON of an answer; of a refusal as well."""
    data = None if body is None else json.dumps(body).encode()
    origin = "/".join(url.split("/")[:3])
    headers = {"Content-Type": "application/json", "Origin": origin}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def status_when(url: str, key: str, wanted: Any) -> dict:
    """Return the status as soon as it says `wanted`; fail when it does not, after a while."""
    for _ in range(400):
        status = ask(f"{url}/status.json")
        if status.get(key) == wanted:
            return status
        time.sleep(0.05)
    pytest.fail(f"{key} never became {wanted}: it is {status.get(key)}")


def test_the_threshold_of_a_run_is_moved_on_its_page(cats, tmp_path) -> None:
    with served("detect", "test:pattern", "--model", cats) as url:
        status = status_when(url, "found", {"person": 1, "cat": 1})
        assert (status["score"], status["lowest"], status["gallery"]) == (0.3, 0.1, False)
        assert ask(f"{url}/score", "POST", {"score": 0.7}) == {"score": 0.7}
        status_when(url, "found", {"person": 1})


@pytest.mark.zoo
@pytest.mark.data
def test_people_are_enrolled_renamed_and_forgotten_on_the_page(zoo, data, tmp_path) -> None:
    picture = data / "lfw_eval" / "images" / "Tim_Curry" / "Tim_Curry_0001.jpg"
    gallery: Path = tmp_path / "g.db"
    source = f"{picture}?loop=1&realtime=1&fps=10"
    with served("face", source, "--gallery", gallery, "--json", tmp_path / "r.jsonl") as url:
        assert status_when(url, "found", {"face": 1})["gallery"] is True
        assert ask(f"{url}/people") == {"message": "", "people": []}
        enrolled = ask(f"{url}/people", "POST", {"name": "Tim"})
        assert enrolled == {"message": "Tim is enrolled", "people": ["Tim"]}
        status_when(url, "found", {"Tim": 1})
        ask(f"{url}/people", "PATCH", {"name": "Tim", "new": "Mr Curry"})
        status_when(url, "found", {"Mr Curry": 1})
        refused = ask(f"{url}/people", "DELETE", {"name": "Tim"})
        assert "nobody is enrolled as 'Tim'" in refused["error"]
        assert ask(f"{url}/people", "DELETE", {"name": "Mr Curry"})["people"] == []
        status_when(url, "found", {"face": 1})
    assert b"Curry" not in gallery.read_bytes()
