from __future__ import annotations

import json
import re

import pytest

from edgecv import zoo
from edgecv.decoders import DECODERS
from edgecv.errors import UnknownNameError
from edgecv.modelfile import SUFFIXES, embedded_card, embedded_spec
from edgecv.spec import TASKS, ModelSpec
from edgecv.zoo.manifest import ASSETS, entry
from edgecv.zoo.store import fetch

BUNDLED = pytest.mark.parametrize("name", [n for n in zoo.names() if zoo.entry(n).bundled])
MOST_BYTES = 12_000_000
ALL = pytest.mark.parametrize("name", zoo.names())


@ALL
def test_every_file_has_a_pinned_address_a_checksum_and_a_size(name) -> None:
    files = zoo.entry(name).files
    assert files[0].file.endswith(SUFFIXES)
    for file in files:
        assert file.bundled or file.url.startswith("https://")
        assert not re.search(r"/(main|master|HEAD|latest)/", file.url)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.bytes > 0
        assert "/" not in file.file


@ALL
def test_every_spec_can_be_followed_and_names_its_licence(name, tmp_path) -> None:
    found = zoo.entry(name)
    for file in found.files[1:]:
        (tmp_path / file.file).write_text("a\nb\n")
    spec = ModelSpec.from_dict({"name": name, **found.spec}, folder=tmp_path)
    assert spec.task in TASKS
    assert spec.decoder in DECODERS
    assert spec.license


@ALL
def test_every_label_file_is_among_the_files(name) -> None:
    found = zoo.entry(name)
    given = found.spec.get("labels")
    if isinstance(given, dict):
        assert found.labels is not None
        assert found.labels.file == given["file"]
    else:
        assert found.labels is None


@ALL
def test_every_openvino_model_has_its_weights_beside_it(name) -> None:
    first, *others = zoo.entry(name).files
    if first.file.endswith(".xml"):
        assert first.file[:-4] + ".bin" in [file.file for file in others]


@ALL
def test_every_twin_is_in_the_list_and_does_the_same(name) -> None:
    found = zoo.entry(name)
    if found.edgetpu_twin:
        assert zoo.entry(found.edgetpu_twin).spec == found.spec


def test_a_name_means_the_same_file_everywhere() -> None:
    seen: dict[str, zoo.File] = {}
    for name in zoo.names():
        for file in zoo.entry(name).files:
            assert seen.setdefault(file.file, file) == file


def test_names_are_sorted_and_can_be_chosen_by_task() -> None:
    assert list(zoo.names()) == sorted(zoo.names())
    assert set(zoo.names("pose")) < set(zoo.names())
    assert {zoo.entry(name).task for name in zoo.names("pose")} == {"pose"}
    assert sum(len(zoo.names(task)) for task in TASKS) == len(zoo.names())


def test_the_size_is_that_of_all_files() -> None:
    found = zoo.entry("squeezenet1.1_fp16")
    assert found.size == sum(file.bytes for file in found.files)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("yunet_n_640", "did you mean 'yunet_n_320'"),
        ("movenet", r"did you mean 'movenet_lightning_int8'\?"),
        ("MobileFaceNet", "did you mean 'mobilefacenet_fp32' or 'mobilefacenet_int8'"),
        ("qqq", "there are: blazeface_short_range, "),
        ("", "there are: "),
    ],
)
def test_an_unknown_name_names_the_nearest(name, said) -> None:
    with pytest.raises(UnknownNameError, match=said):
        zoo.entry(name)


@BUNDLED
def test_what_ships_is_whole_and_says_what_the_list_says(name, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", str(tmp_path))  # which has nothing
    path = fetch(name)
    assert path.parent == ASSETS
    embedded = embedded_spec(path)
    assert embedded is not None
    assert embedded.to_dict() == zoo.spec(name).to_dict()
    assert embedded.license == "Apache-2.0"


@BUNDLED
def test_what_ships_has_a_card_with_its_checksum_and_verdict(name) -> None:
    found = entry(name)
    text = (ASSETS / f"{name}.md").read_text(encoding="utf-8")
    assert found.files[0].sha256 in text
    for part in ("Licence", "Data", "Made by", "INT8:", "Use and limits"):
        assert part in text
    card = embedded_card(ASSETS / found.files[0].file)
    assert card["quantization"]["held"]
    assert not re.findall(r'"/[^"]*"', json.dumps(card)), "folders of the maker's machine"


def test_what_ships_is_small() -> None:
    sizes = [e.size for e in map(entry, zoo.names()) if e.bundled]
    assert sizes
    assert sum(sizes) <= MOST_BYTES
    assert {file.stem for file in ASSETS.glob("*.tflite")} == {
        name for name in zoo.names() if entry(name).bundled
    }


@pytest.mark.zoo
@ALL
def test_every_file_of_the_mirror_is_what_the_list_says(name, zoo) -> None:
    assert fetch(name).parent == (ASSETS if entry(name).bundled else zoo)
