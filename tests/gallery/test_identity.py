"""What tells one embedding model from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgecv.errors import ModelFileError
from edgecv.gallery import embedding_size, model_id
from edgecv.model import Model
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession


def model(path: Path | None, *, task: str = "face_embedding", size: int = 128) -> Model:
    decoder = {"face_embedding": "embedding", "classification": "classifier"}[task]
    session = FakeSession({"out": np.ones((1, size, 1, 1), np.float32)}, shape=(1, 112, 112, 3))
    return Model(session, ModelSpec(name="mine", task=task, decoder=decoder), path=path)


def test_the_id_is_the_name_and_the_files_checksum(tmp_path: Path) -> None:
    file = tmp_path / "mine.tflite"
    file.write_bytes(b"weights")
    found = model_id(model(file))
    assert found == ("mine", hashlib.sha256(b"weights").hexdigest())
    assert str(found) == f"mine (SHA-256 {found.sha256[:12]})"


@pytest.mark.parametrize("changed", ["mine.xml", "mine.bin"])
def test_both_files_of_an_openvino_model_count(tmp_path: Path, changed: str) -> None:
    for name in ("mine.xml", "mine.bin"):
        (tmp_path / name).write_bytes(b"one")
    first = model_id(model(tmp_path / "mine.xml"))
    (tmp_path / changed).write_bytes(b"another")
    assert model_id(model(tmp_path / "mine.xml")) != first


def test_a_model_file_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read .*mine\.tflite"):
        model_id(model(tmp_path / "mine.tflite"))


def test_a_model_without_a_file_cannot_be_told_from_others() -> None:
    with pytest.raises(ValueError, match="mine has no file"):
        model_id(model(None))


@pytest.mark.parametrize("size", [128, 256])
def test_the_size_of_an_embedding_is_read_from_the_output(size: int) -> None:
    assert embedding_size(model(None, size=size)) == size


def test_a_model_of_another_task_has_no_embeddings() -> None:
    with pytest.raises(ValueError, match="its task is classification"):
        embedding_size(model(None, task="classification"))
