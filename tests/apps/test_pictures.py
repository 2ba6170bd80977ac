"""What `detect`, `classify`, `segment` and `pose` have in common."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

KEYS = ["source", "frame", "width", "height", "model", "runtime", "device", "latency_ms"]
STAGES = ["preprocess", "inference", "decode", "total"]


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_of_json_has_the_documented_keys_and_no_others(edgecv, cats, picture) -> None:
    path = picture("a.png")
    ran = edgecv("detect", path, "--model", cats, "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    (found,) = lines(ran.out)
    assert sorted(found) == sorted([*KEYS, "detections"])
    assert [found[key] for key in KEYS[:7]] == [str(path), 0, 80, 40, "cats", "onnx", "cpu"]
    assert list(found["latency_ms"]) == STAGES
    total = found["latency_ms"].pop("total")
    assert total == pytest.approx(sum(found["latency_ms"].values()), abs=0.01)
    assert found["detections"] == [
        {"label": "person", "class_id": 1, "score": 0.9, "box": [40, 10, 80, 30]},
        {"label": "cat", "class_id": 0, "score": 0.6, "box": [0, 0, 40, 20]},
    ]


@pytest.mark.parametrize(
    ("command", "model", "key"),
    [
        ("detect", "cats", "detections"),
        ("classify", "colours", "classes"),
        ("pose", "stick", "people"),
    ],
)
def test_every_task_has_its_own_key(edgecv, picture, request, command, model, key) -> None:
    file = request.getfixturevalue(model)
    ran = edgecv(command, picture("a.png"), "--model", file, "--json", "-")
    assert ran.code == 0
    (found,) = lines(ran.out)
    assert found[key]


def test_json_goes_to_a_file_and_stdout_stays_empty(edgecv, colours, picture, tmp_path) -> None:
    target = tmp_path / "deep" / "r.jsonl"
    ran = edgecv("classify", picture("a.png"), "--model", colours, "--json", target)
    assert ran == (0, "", "")
    assert lines(target.read_text())[0]["classes"][0]["label"] == "red"


def test_folders_patterns_and_files_are_taken_in_their_order(edgecv, colours, picture, tmp_path):
    for name in ("f/10.png", "f/9.png", "g/z.png", "g/a.png", "last.png"):
        picture(name)
    sources = [tmp_path / "f", f"{tmp_path}/g/*.png", tmp_path / "last.png"]
    ran = edgecv("classify", *sources, "--model", colours, "--json", "-")
    found = [(Path(row["source"]).name, row["frame"]) for row in lines(ran.out)]
    assert found == [("9.png", 0), ("10.png", 1), ("a.png", 0), ("z.png", 1), ("last.png", 0)]


def test_a_picture_that_cannot_be_read_is_told_and_passed_over(edgecv, colours, picture, tmp_path):
    for name in ("f/a.png", "f/c.png"):
        picture(name)
    (tmp_path / "f" / "b.jpg").write_text("no picture")
    ran = edgecv("classify", tmp_path / "f", "--model", colours, "--json", "-")
    assert ran.code == 1
    assert [row["frame"] for row in lines(ran.out)] == [0, 2]
    assert ran.err.startswith(f"edgecv: {tmp_path}/f/b.jpg is not a picture")
    assert len(ran.err.splitlines()) == 1


def test_pictures_are_drawn_under_their_own_names(edgecv, cats, picture, tmp_path) -> None:
    for name in ("f/a.png", "f/A.jpg", "g/a.png", "f/b.bmp"):
        picture(name)
    out = tmp_path / "out"
    assert edgecv("detect", tmp_path / "f", tmp_path / "g", "--model", cats, "--out", out).code == 0
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 4
    assert {"A.jpg", "b.png"} < set(names)
    for name in names:
        drawn = cv2.imread(str(out / name))
        assert drawn.shape == (40, 80, 3)
        assert (drawn != (0, 0, 255)).any()
    assert (cv2.imread(str(tmp_path / "f" / "a.png")) == (0, 0, 255)).all()


def test_lines_for_people_are_written_where_nothing_else_is_asked_for(
    edgecv, cats, picture
) -> None:
    path = picture("a.png")
    ran = edgecv("detect", path, "--model", cats)
    assert ran.code == 0
    assert ran.out.startswith(f"{path}: person 0.90 (40,10 40x20), cat 0.60 (0,0 40x20)  [")
    assert edgecv("detect", path, "--model", cats, "--score", "0.7").out.count("cat 0.60") == 0


def test_a_file_without_a_spec_is_described_by_options(edgecv, colours, picture, tmp_path) -> None:
    colours.with_name("colours.onnx.json").unlink()
    (tmp_path / "names.txt").write_text("rot\ngrün\nblau\n", encoding="utf-8")
    words = ["--decoder", "classifier", "--labels", tmp_path / "names.txt", "--std", "255"]
    rgb = edgecv("classify", picture("a.png", "blue"), "--model", colours, *words)
    assert ": blau 1.00" in rgb.out
    bgr = edgecv("classify", picture("a.png", "blue"), "--model", colours, *words, "--color", "bgr")
    assert ": rot 1.00" in bgr.out


def test_progress_is_drawn_on_a_terminal_and_gone_at_the_end(colours, picture, tmp_path) -> None:
    for number in range(3):
        picture(f"f/{number}.png")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgecv.apps.cli", "classify", str(tmp_path / "f")]
    command += ["--model", str(colours), "--json", str(tmp_path / "r.jsonl")]
    assert subprocess.run(command, stderr=theirs, check=False).returncode == 0
    os.close(theirs)
    drawn = ""
    with contextlib.suppress(OSError):  # EIO: all that was written has been read
        while chunk := os.read(ours, 1000):
            drawn += chunk.decode()
    os.close(ours)
    assert "pictures" in drawn
    assert "3/3" in drawn
    assert drawn.endswith("\r\x1b[K")


@pytest.mark.zoo
@pytest.mark.data
def test_the_default_models_see_what_is_there(edgecv, zoo, data, tmp_path) -> None:
    skier = data / "coco_eval" / "images" / "000000000785.jpg"
    (found,) = lines(edgecv("detect", skier, "--json", "-").out)
    assert found["detections"][0]["label"] == "person"
    assert "fallback" not in found
    (found,) = lines(edgecv("classify", skier, "--json", "-").out)
    assert found["classes"][0]["label"] == "ski"
    (found,) = lines(edgecv("segment", skier, "--json", "-", "--out", tmp_path).out)
    assert [row["label"] for row in found["segments"]][:2] == ["background", "person"]
    assert "fallback" not in found
    drawn, plain = cv2.imread(str(tmp_path / skier.name)), cv2.imread(str(skier))
    assert np.abs(drawn.astype(int) - plain).mean() > 3


def test_people_are_found_without_a_network_by_what_ships(
    edgecv, picture, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    ran = edgecv("detect", picture("a.png"), "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    (found,) = lines(ran.out)
    assert found["model"] == "edgecv-detect"


def test_a_model_that_was_named_and_cannot_be_had_is_not_replaced(
    edgecv, picture, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    ran = edgecv("detect", picture("a.png"), "--model", "ssd_mobilenet_v1_coco_int8")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot fetch" in ran.err
