from __future__ import annotations

import re

import pytest

from edgecv import zoo
from edgecv.decoders import DECODERS
from edgecv.errors import UnknownNameError
from edgecv.modelfile import SUFFIXES
from edgecv.spec import TASKS, ModelSpec
from edgecv.zoo.store import fetch

ALL = pytest.mark.parametrize("name", zoo.names())


@ALL
def test_every_file_has_a_pinned_address_a_checksum_and_a_size(name) -> None:
    files = zoo.entry(name).files
    assert files[0].file.endswith(SUFFIXES)
    for file in files:
        assert file.url.startswith("https://")
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


@pytest.mark.zoo
@ALL
def test_every_file_of_the_mirror_is_what_the_list_says(name, zoo) -> None:
    assert fetch(name).parent == zoo
