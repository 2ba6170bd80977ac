"""What goes wrong for people, what the command says of it, and with which exit code."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from edgecv import zoo as models
from edgecv.session import RUNTIMES


class Place(NamedTuple):
    """Where a case is built: a folder, a good picture, a good classifier and a good detector."""

    folder: Path
    picture: Path
    colours: Path
    cats: Path


@pytest.fixture
def place(tmp_path, picture, colours, cats) -> Place:
    return Place(tmp_path, picture("good.png"), colours, cats)


def file(place: Place, name: str, content: bytes) -> Path:
    path = place.folder / name
    path.write_bytes(content)
    return path


def huge(place: Place) -> Path:
    """Write a whole picture of 100 million pixels, all of them black, in 300 kB."""
    raw = zlib.compressobj(9)
    rows = b"".join(raw.compress(bytes(1 + 10_000 * 3)) for _ in range(10_000)) + raw.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0))
    whole = head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return file(place, "huge.png", b"\x89PNG\r\n\x1a\n" + whole)


def cut(place: Place, suffix: str) -> Path:
    data = cv2.imencode(suffix, np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))[1]
    return file(place, f"cut{suffix}", data.tobytes()[:400])


def spec(place: Place, name: str, text: str) -> Path:
    """Copy the classifier with another spec beside it."""
    copy = file(place, name, place.colours.read_bytes())
    file(place, f"{name}.json", text.encode())
    return copy


Words = Callable[[Place], list[object]]


def detect(*words: object) -> Words:
    return lambda p: ["detect", p.picture, *words]


def classify(*words: object) -> Words:
    return lambda p: ["classify", p.picture, "--model", p.colours, *words]


# name -> the command line, its exit code, and what the one line on stderr says
PICTURES: dict[str, tuple[Words, int, str]] = {
    "text named .jpg": (
        lambda p: ["detect", file(p, "a.jpg", b"hello"), "--model", p.cats],
        1, "a.jpg is not a picture that OpenCV reads, or is cut short",
    ),
    "empty picture": (
        lambda p: ["detect", file(p, "a.jpg", b""), "--model", p.cats],
        1, "a.jpg is empty (0 bytes)",
    ),
    "cut PNG": (lambda p: ["detect", cut(p, ".png"), "--model", p.cats], 1, "is cut short"),
    "cut JPEG": (lambda p: ["detect", cut(p, ".jpg"), "--model", p.cats], 1, "is cut short"),
    "100 million pixels": (
        lambda p: ["detect", huge(p), "--model", p.cats],
        1, "has 10000x10000 pixels (100 million), more than the 64 million allowed",
    ),
    "missing picture": (
        lambda p: ["detect", p.folder / "god.png", "--model", p.cats],
        1, "no such file or folder",
    ),
    "folder without pictures": (
        lambda p: ["detect", (p.folder / "new").mkdir() or p.folder / "new", "--model", p.cats],
        1, "no pictures in the folder",
    ),
    "pattern without pictures": (
        lambda p: ["detect", p.folder / "*.tif", "--model", p.cats],
        1, "no pictures fit the pattern",
    ),
}  # fmt: skip
MODELS: dict[str, tuple[Words, int, str]] = {
    "truncated model": (
        lambda p: ["detect", p.picture, "--model", file(p, "m.onnx", p.cats.read_bytes()[:-9])],
        1, "m.onnx is cut short",
    ),
    "empty model": (
        lambda p: ["detect", p.picture, "--model", file(p, "m.tflite", b"")],
        1, "m.tflite is empty (0 bytes)",
    ),
    "no model in it": (
        lambda p: ["detect", p.picture, "--model", file(p, "m.tflite", b"hello" * 50)],
        1, "m.tflite is not a TFLite model",
    ),
    "unknown kind of model": (
        lambda p: ["detect", p.picture, "--model", file(p, "m.pt", b"hello")],
        1, "m.pt: no kind of model '.pt'",
    ),
    "missing model": (
        lambda p: ["detect", p.picture, "--model", p.folder / "gone.onnx"],
        1, "gone.onnx: No such file or directory",
    ),
    "model without a spec": (
        lambda p: ["detect", p.picture, "--model", file(p, "m.onnx", p.cats.read_bytes())],
        1, "m.onnx says nothing of its task: give task and decoder (--task, --decoder)",
    ),
    "spec that is no JSON": (
        lambda p: ["classify", p.picture, "--model", spec(p, "m.onnx", "{")], 1, "the spec in ",
    ),
    "spec with an unknown field": (
        lambda p: ["classify", p.picture, "--model", spec(p, "m.onnx", '{"taks": "pose"}')],
        1, "did you mean 'task'?",
    ),
    "file for another task": (
        lambda p: ["pose", p.picture, "--model", p.colours],
        2, "colours is a model for classification, and pose is wanted: take one of",
    ),
    "name for another task": (
        detect("--model", "movenet_lightning_int8"),
        2, "movenet_lightning_int8 is a model for pose, and detection is wanted: take one of",
    ),
    "unknown model": (detect("--model", "yunet"), 2, "no model 'yunet'; did you mean 'yunet_n_"),
    "unknown device": (classify("--device", "cpux"), 2, "no device 'cpux'; did you mean 'cpu'?"),
    "unknown runtime": (classify("--runtime", "onix"), 2, "no runtime 'onix'; did you mean 'onnx'"),
    "runtime for other files": (
        classify("--runtime", "tflite"), 1, "the runtime 'tflite' does not read .onnx files",
    ),
    "device that is not here": (classify("--device", "cuda"), 1, "no device 'cuda' here can run"),
    "unknown decoder": (
        classify("--decoder", "clasifier"), 2, "no decoder 'clasifier'; did you mean 'classifier'?",
    ),
    "decoder of other models": (
        classify("--decoder", "ssd_postprocess"),
        1, "the decoder wants the outputs boxes, classes, scores, count; the model gives scores",
    ),
    "too few labels": (
        lambda p: classify("--labels", file(p, "l.txt", b"a\nb\n"))(p),
        1, "the model scores 3 classes, the spec's labels name 2",
    ),
    "too many labels": (
        lambda p: classify("--labels", file(p, "l.txt", b"a\nb\nc\nd\n"))(p),
        1, "the model scores 3 classes, the spec's labels name 4",
    ),
    "too few labels of objects": (
        lambda p: ["detect", p.picture, "--model", p.cats, "--labels", file(p, "l.txt", b"a\n")],
        1, "found the class 1, counted from 0, but its spec has 1 labels",
    ),
    "mean of two channels": (classify("--mean", "1,2"), 1, "a value for each of 3 channels"),
    "negative std": (classify("--std=-1"), 1, "input.std has to be positive"),
    "detector for another task": (
        lambda p: ["pose", p.picture, "--detector", "movenet_lightning_int8", "--model", p.cats],
        2, "cats is a model for detection, and pose is wanted",
    ),
}  # fmt: skip
OUTPUTS: dict[str, tuple[Words, int, str]] = {
    "JSON onto a full disk": (classify("--json", "/dev/full"), 1, "No space left on device"),
    "JSON into a folder": (
        lambda p: classify("--json", p.folder)(p), 1, "Is a directory",
    ),
    "JSON onto the picture": (
        lambda p: classify("--json", p.picture)(p), 1, "is one of the pictures",
    ),
    "pictures into their own folder": (
        lambda p: classify("--out", p.folder)(p), 1, "is where the pictures come from",
    ),
    "pictures into a file": (
        lambda p: classify("--out", file(p, "out", b""))(p), 1, "is a file; wanted a folder",
    ),
    "pictures below a file": (
        lambda p: classify("--out", file(p, "out", b"") / "deep")(p), 1, "Not a directory",
    ),
}  # fmt: skip
PUBLIC: dict[str, tuple[Words, int, str]] = {
    "model compiled for an Edge TPU": (
        lambda p: ["classify", p.picture, "--model", "mobilenet_v1_0.25_128_quant_edgetpu"],
        1, "was compiled for the Edge TPU (its operator is edgetpu-custom-op): no Edge TPU was",
    ),
    "file compiled for an Edge TPU, on the CPU": (
        lambda p: [
            *("classify", p.picture, "--device", "cpu", "--model"),
            fetched("mobilenet_v1_0.25_128_quant_edgetpu"),
        ],
        1, "cpu cannot run it; use --device coral",
    ),
    "Coral that is not plugged in": (
        detect("--device", "coral"), 1, "no device 'coral' here can run edgecv-detect",
    ),
    "truncated public model": (
        lambda p: [
            *("classify", p.picture, "--decoder", "classifier", "--model"),
            file(p, "m.tflite", fetched("mobilenet_v2_1.0_224_int8").read_bytes()[:100_000]),
        ],
        1, "m.tflite",
    ),
    "wrong number of labels": (
        lambda p: ["classify", p.picture, "--labels", "coco_80"],
        1, "the model scores 1001 classes, the spec's labels name 80",
    ),
    "detector that finds no people": (
        lambda p: ["pose", p.picture, "--detector", p.colours.with_name("balls.onnx")],
        2, "balls finds no class 'person'",
    ),
    "detector for faces": (
        lambda p: ["pose", p.picture, "--detector", "yunet_n_320"],
        2, "yunet_n_320 is a model for face_detection, and detection is wanted",
    ),
    "known people who are no folder": (
        lambda p: ["face", p.picture, "--known", p.folder / "gone"],
        1, "--known wants a folder with a picture for each person",
    ),
}  # fmt: skip
USAGE = {
    "score above 1": ["--score", "2"],
    "no threads": ["--threads", "0"],
    "mean that is no number": ["--mean", "grey"],
    "unknown task": ["--task", "detect"],
    "label file that is not there": ["--labels", "gone.txt"],
}


def fetched(name: str) -> Path:
    return models.fetch(name)


@pytest.mark.parametrize("case", PICTURES | MODELS, ids=str)
def test_bad_input_is_one_line_that_says_what_to_do(case, edgecv, place) -> None:
    words, code, said = (PICTURES | MODELS)[case]
    ran = edgecv(*words(place))
    assert said in ran.err
    assert ran.err.startswith("edgecv: ")
    assert ran.err.count("\n") == 1
    assert (ran.code, ran.out) == (code, "")


@pytest.mark.zoo
@pytest.mark.parametrize("case", PUBLIC)
def test_bad_use_of_public_models_is_one_line(case, process, place, zoo) -> None:
    balls = file(place, "balls.onnx", place.cats.read_bytes())
    text = place.cats.with_name("cats.onnx.json").read_text()
    file(place, "balls.onnx.json", text.replace("cats", "balls").replace("person", "ball").encode())
    words, code, said = PUBLIC[case]
    ran = process(*words(place))
    assert said in ran.err
    assert ran.err.startswith("edgecv: ")
    assert ran.err.count("\n") == 1
    assert (ran.code, ran.out) == (code, "")
    assert balls.is_file()


@pytest.mark.parametrize("case", USAGE)
def test_values_that_make_no_sense_are_code_2_and_show_the_usage(case, edgecv, place) -> None:
    option = USAGE[case][0]
    ran = edgecv("detect", place.picture, "--model", place.cats, *USAGE[case])
    assert (ran.code, ran.out) == (2, "")
    assert f"error: argument {option}: " in ran.err
    assert "usage: edgecv detect" in ran.err


@pytest.mark.parametrize("case", OUTPUTS)
def test_bad_output_is_one_line_and_nothing_is_overwritten(case, edgecv, place) -> None:
    before = place.picture.read_bytes()
    words, code, said = OUTPUTS[case]
    ran = edgecv(*words(place))
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert (ran.code, ran.out) == (code, "")
    assert place.picture.read_bytes() == before


def test_libraries_do_not_write_to_stderr_beside_us(process, place) -> None:
    words = ["detect", cut(place, ".png"), "--model", place.cats]
    assert process(*words).err.count("\n") == 1
    assert process(*words, "--debug").err.count("\n") > 1  # OpenCV has something to say as well


NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["models", "pull", "yunet_n_320"], "yunet_n_320.onnx"),
        (["segment", "good.png"], "deeplabv3_mnv2_dm05_pascal_quant.tflite"),  # none of ours does
    ],
)
def test_without_a_network_the_ways_out_are_named(words, file, edgecv, place, monkeypatch) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", NOWHERE)
    monkeypatch.setenv("EDGECV_CACHE", str(place.folder / "cache"))
    monkeypatch.chdir(place.folder)
    ran = edgecv(*words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"edgecv: cannot fetch {file} from {NOWHERE}/")
    assert "EDGECV_ZOO_MIRROR" in ran.err
    assert "`edgecv models pull`" in ran.err
    assert ran.err.count("\n") == 1


def test_a_cache_that_cannot_be_written_is_told(edgecv, mounted, monkeypatch) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", NOWHERE)
    monkeypatch.setenv("EDGECV_CACHE", str(mounted("ro")))
    ran = edgecv("models", "pull", "yunet_n_320")
    assert (ran.code, ran.out) == (1, "")
    assert "Read-only file system" in ran.err
    assert "EDGECV_CACHE" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.zoo
def test_a_cache_that_cannot_be_written_does_not_matter_to_a_mirror(
    edgecv, zoo, place, mounted, monkeypatch
) -> None:
    monkeypatch.setenv("EDGECV_CACHE", str(mounted("ro")))
    ran = edgecv("face", place.picture)
    assert (ran.code, ran.err) == (0, "")


def test_pictures_onto_a_full_disk_are_whole_or_not_there(edgecv, place, mounted) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    folder = place.folder / "many"
    folder.mkdir()
    for number in range(9):
        assert cv2.imwrite(str(folder / f"{number}.png"), noise)  # 270 kB each
    disk = mounted("size=1m")
    ran = edgecv("detect", folder, "--model", place.cats, "--out", disk / "out")
    assert (ran.code, ran.out) == (1, "")
    assert "No space left on device" in ran.err
    assert ran.err.count("\n") == 1
    written = sorted((disk / "out").iterdir())
    assert 1 <= len(written) < 9
    for path in written:
        assert cv2.imread(str(path)).shape == noise.shape


def test_json_onto_a_full_disk_is_told(edgecv, place, picture, mounted) -> None:
    for number in range(200):
        picture(f"many/{number}.png")
    disk = mounted("size=16k")
    words = ["--model", place.cats, "--json", disk / "r.jsonl"]
    ran = edgecv("detect", place.folder / "many", *words)
    assert (ran.code, ran.out) == (1, "")
    assert "r.jsonl: No space left on device" in ran.err
    assert ran.err.count("\n") == 1


def test_every_runtime_s_name_is_known_to_the_command(edgecv, place) -> None:
    for name in RUNTIMES:
        ran = edgecv("classify", place.picture, "--model", place.colours, "--runtime", name)
        assert "no runtime" not in ran.err
