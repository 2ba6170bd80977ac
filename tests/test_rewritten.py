from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8

import edgecv
from edgecv import rewritten
from edgecv.errors import ModelFileError, OutputError, PackageMissingError
from edgecv.registry import Registry
from edgecv.zoo import manifest, specs
from edgecv.zoo.manifest import Entry, File

SPEC = {"task": "classification", "decoder": "classifier", "score": 0.0}
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(rewritten.SWITCH, raising=False)
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rewritten"


def listed(path: Path, monkeypatch: pytest.MonkeyPatch, *, marked: bool = True) -> Path:
    """Let a file be the only one of the list of public models."""
    data = path.read_bytes()
    file = File(path.name, "https://nowhere", hashlib.sha256(data).hexdigest(), len(data))
    table = {"old": Entry("old", (file,), SPEC, int8_rewrite=marked)}
    for module in (manifest, specs):
        monkeypatch.setattr(module, "table", lambda: table)
    return path


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "old.tflite"
    path.write_bytes(tiny_uint8.classifier())
    return listed(path, monkeypatch)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """What was logged so far: level and text."""
    caplog.set_level(logging.INFO, "edgecv")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize("words", [{}, {"device": "cpu"}, {"runtime": "tflite"}], ids=str)
def test_a_marked_model_runs_as_int8_on_the_cpu(words, old, cache) -> None:
    with edgecv.load(old, **words) as model:
        assert (model.runtime, model.device, model.fallback) == ("tflite", "cpu", "")
        assert model.original == old
        assert model.path.parent == cache
        assert model.session.inputs[0].dtype == np.int8
        assert model.preprocess(IMAGE)[0].dtype == np.int8
        assert len(model(IMAGE)) == 5


def test_it_says_the_same_as_the_file_itself(old, monkeypatch) -> None:
    with edgecv.load(old) as model:
        now = model(IMAGE)
    monkeypatch.setenv(rewritten.SWITCH, "0")
    with edgecv.load(old) as model:
        assert (model.path, model.original) == (old, None)
        was = model(IMAGE)
    scores = [dict(zip(r.class_ids, r.scores, strict=True)) for r in (was, now)]
    assert all(abs(scores[0][c] - scores[1][c]) < 0.03 for c in range(5))


def test_it_is_made_once_and_one_line_says_so(old, cache, said) -> None:
    edgecv.load(old).close()
    (made,) = cache.iterdir()
    first = made.stat()
    assert said() == [("INFO", f"old.tflite was rewritten for the CPU, once: {made}")]
    edgecv.load(old).close()
    assert len(said()) == 1
    assert (made.stat().st_ino, made.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_a_new_rewriter_makes_a_new_file(old, cache, monkeypatch) -> None:
    edgecv.load(old).close()
    monkeypatch.setattr(rewritten, "VERSION", rewritten.VERSION + 1)
    edgecv.load(old).close()
    assert len(list(cache.iterdir())) == 2


def test_its_name_holds_the_checksum_of_the_source(old) -> None:
    digest = hashlib.sha256(old.read_bytes()).hexdigest()
    assert digest[:16] in rewritten.cached_path(old).name


@pytest.mark.parametrize("words", [{"runtime": "openvino"}], ids=str)
def test_other_runtimes_run_the_file_itself(words, old, cache) -> None:
    pytest.importorskip("openvino")
    with edgecv.load(old, **words) as model:
        assert (model.path, model.original) == (old, None)
    assert not cache.exists()


def test_a_model_that_is_not_marked_runs_as_it_is(old, cache, monkeypatch) -> None:
    listed(old, monkeypatch, marked=False)
    with edgecv.load(old) as model:
        assert (model.path, model.original) == (old, None)
    assert not cache.exists()


def test_a_file_of_one_s_own_runs_as_it_is(old, cache, tmp_path) -> None:
    own = tmp_path / "own.tflite"
    own.write_bytes(old.read_bytes() + b"\0")
    with edgecv.load(own, spec={"name": "own", **SPEC}) as model:
        assert (model.path, model.original) == (own, None)
    assert not cache.exists()


FAILURES = {
    "it cannot be written": (OutputError("cannot write x: Read-only file system"), "WARNING"),
    "they do not agree": (ModelFileError("logits differs by 9 steps"), "WARNING"),
    "a package is missing": (PackageMissingError("pip install x", name="x"), "INFO"),
}


@pytest.mark.parametrize(("error", "level"), FAILURES.values(), ids=FAILURES.keys())
def test_what_cannot_be_made_is_told_and_the_file_itself_runs(
    error, level, old, said, monkeypatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("edgecv.converters.int8_rewrite.rewrite_file", fail)
    with edgecv.load(old) as model:
        assert (model.path, model.original) == (old, None)
        assert len(model(IMAGE)) == 5
    assert said() == [(level, f"old.tflite runs as it is, slower than it could: {error}")]


def test_a_cache_that_is_no_folder_costs_speed_alone(old, said, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "file"))
    with edgecv.load(old) as model:
        assert model.original is None
    ((level, text),) = said()
    assert level == "WARNING"
    assert "old.tflite runs as it is, slower than it could: cannot write" in text


def test_without_the_rewriter_s_package_the_file_itself_runs(old, said, monkeypatch) -> None:
    missing = Registry("rewriter", {"tflite": "no_such_package:rewrite_file"})
    monkeypatch.setattr(rewritten, "REWRITERS", missing)
    with edgecv.load(old) as model:
        assert model.original is None
    ((level, text),) = said()
    assert level == "INFO"
    assert "pip install 'edgecv[tflite]'" in text


def test_a_damaged_copy_is_told_and_the_file_itself_runs(old, cache, said) -> None:
    edgecv.load(old).close()
    (made,) = cache.iterdir()
    made.unlink()
    made.write_bytes(b"no model")
    with edgecv.load(old) as model:
        assert model.original is None
    assert said()[-1][0] == "WARNING"
    assert f"old.tflite runs as it is: {made} is not a TFLite model" in said()[-1][1]


@pytest.mark.zoo
def test_the_public_detector_runs_as_int8(zoo: Path, monkeypatch) -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    with edgecv.load("ssd_mobilenet_v1_coco_int8", device="cpu") as model:
        assert model.original == zoo / "ssd_mobilenet_v1_coco_int8.tflite"
        assert model.spec.name == "ssd_mobilenet_v1_coco_int8"
        model(image)
