"""`edgecv summary`: a table, figures for programs, and clear refusals."""

from __future__ import annotations

import csv
import io
import json

import pytest

keras = pytest.importorskip("keras")


def test_a_network_is_shown_layer_by_layer_with_its_sums(edgecv) -> None:
    code, out, err = edgecv("summary", "mobilefacenet")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["stem"] == ["stem", "Conv2D", "56x56x64", "2,048", "5.42", "3", "2", "238"]
    assert rows["linear"][:4] == ["linear", "Conv2D", "128", "66,048"]
    assert "993,344 parameters: 0.99 MB in INT8, 3.97 MB in float32" in out
    assert "multiply-adds  221.0 M" in out
    assert "peak memory    0.60 MB" in out


def test_options_reach_the_network(edgecv) -> None:
    words = ("--alpha", "0.35", "--input-size", "96x128", "--classes", "5", "--json", "-")
    code, out, _ = edgecv("summary", "mobilenet_v2", *words)
    values = json.loads(out)
    assert code == 0
    assert values["inputs"] == [[96, 128, 3]]
    assert values["rows"][-1]["output"] == [5]
    assert values["name"] == "mobilenet_v2_0.35"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("shufflenet_v1", "--groups", "2", "--alpha", "0.25"), "shufflenet_v1_0.25_g2"),
        (("squeezenet", "--version", "1.0", "--no-top"), "squeezenet_1.0"),
        (("mobilenet_v3_small", "--minimalistic"), "mobilenet_v3_small_minimalistic_1"),
        (("keras:MobileNetV2", "--input-size", "96", "--alpha", "0.35"), "mobilenetv2_0.35_96"),
    ],
)
def test_every_family_has_its_options(edgecv, words, name) -> None:
    code, out, _ = edgecv("summary", *words)
    assert code == 0
    assert f"network        {name}, input" in out


def test_other_options_are_set_by_name(edgecv) -> None:
    words = ("--set", "activation=relu", "--set", "embedding=64", "--json", "-")
    values = json.loads(edgecv("summary", "mobilefacenet", *words).out)
    assert values["rows"][-1]["output"] == [64]
    assert "PReLU" not in {row["kind"] for row in values["rows"]}


def test_layers_are_written_as_csv(edgecv, tmp_path) -> None:
    file = tmp_path / "layers.csv"
    code, out, _ = edgecv("summary", "squeezenet", "--csv", file)
    assert code == 0
    assert "network" in out
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert rows[0]["name"] == "conv1"
    assert rows[0]["output"] == "111x111x64"
    assert sum(int(row["multiply_adds"]) for row in rows) == 349_151_936


@pytest.mark.parametrize("name", ["open.keras", "open.h5"])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
def test_a_file_is_read_and_an_open_size_filled_in(edgecv, tmp_path, name) -> None:
    open_model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    open_model.save(tmp_path / name)
    code, out, _ = edgecv("summary", tmp_path / name, "--input-size", "10")
    assert code == 0
    assert "10x10x3" in out
    code, _, err = edgecv("summary", tmp_path / name)
    assert code == 2
    assert "say the input size" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("mobilenet_v9",), 2, "did you mean 'mobilenet_v"),
        (("mobilenet_v2", "--groups", "2"), 2, "no option of mobilenet_v2 'groups'"),
        (("shufflenet_v1", "--groups", "5"), 2, "groups are one of 1, 2, 3, 4, 8, got 5"),
        (("mobilenet_v2", "--alpha", "-1"), 2, "alpha, the width multiplier, is positive"),
        (("mobilenet_v2", "--input-size", "0"), 2, "wanted a side or HEIGHTxWIDTH"),
        (("mobilenet_v2", "--set", "alpha"), 2, "wanted OPTION=VALUE"),
        (("squeezenet", "--csv", "-", "--json", "-"), 2, "cannot both go to stdout"),
        (("keras:ResNet5",), 2, "did you mean 'ResNet50'"),
        (("keras:ResNet50", "--set", "weights=imagenet"), 2, "no option of keras:ResNet50"),
        (("keras:MobileNet", "--no-top"), 2, "say the input size"),
        (("nothing.keras",), 1, "cannot read nothing.keras: No such file"),
        (("some.keras", "--alpha", "1"), 2, "--alpha is for networks by name"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(edgecv, words, code, message) -> None:
    found, out, err = edgecv("summary", *words)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_a_damaged_file_is_refused(edgecv, tmp_path) -> None:
    (tmp_path / "bad.keras").write_bytes(b"PK\x03\x04 and no more")
    code, _, err = edgecv("summary", tmp_path / "bad.keras")
    assert code == 1
    assert "bad.keras" in err
