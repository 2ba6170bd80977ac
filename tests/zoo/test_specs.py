from __future__ import annotations

import logging
import shutil

from edgecv.zoo import specs, store


def test_a_spec_has_the_names_of_its_label_file(server, entries) -> None:
    found = specs.spec("pets")
    assert (found.name, found.task, found.labels) == ("pets", "classification", ("cat", "dog"))
    assert found.source == entries["pets"].files[0].url
    assert server.asked == [("/classes.txt", None)]


def test_a_copy_under_another_name_is_recognised(server, entries, tmp_path) -> None:
    copy = tmp_path / "mine.tflite"
    shutil.copy(store.fetch("pets"), copy)
    found = specs.spec_of_file(copy)
    assert found is not None
    assert (found.name, found.labels) == ("pets", ("cat", "dog"))


def test_labels_beside_the_file_need_no_network(server, entries, tmp_path) -> None:
    (tmp_path / "mine.tflite").write_bytes(b"pets" * 500)
    (tmp_path / "classes.txt").write_bytes(b"cat\ndog\n")
    found = specs.spec_of_file(tmp_path / "mine.tflite")
    assert found is not None
    assert found.labels == ("cat", "dog")
    assert server.asked == []


def test_without_a_network_the_labels_stay_empty(server, entries, tmp_path, caplog) -> None:
    server.status["/classes.txt"] = [404]
    (tmp_path / "mine.tflite").write_bytes(b"pets" * 500)
    with caplog.at_level(logging.WARNING):
        found = specs.spec_of_file(tmp_path / "mine.tflite")
    assert found is not None
    assert found.labels == ()
    assert "has no class names" in caplog.text


def test_a_file_of_the_same_size_is_no_copy(entries, tmp_path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"x" * 2000)
    assert specs.spec_of_file(other) is None
    assert specs.edgetpu_twin(other) is None


def test_the_twin_of_a_copy_is_fetched(server, entries) -> None:
    twin = specs.edgetpu_twin(store.fetch("pets"))
    assert twin is not None
    assert twin.read_bytes() == b"tpu" * 500


def test_a_twin_that_cannot_be_fetched_is_none(server, entries, caplog) -> None:
    path = store.fetch("pets")
    server.status["/pets_edgetpu.tflite"] = [404]
    with caplog.at_level(logging.WARNING):
        assert specs.edgetpu_twin(path) is None
    assert "pets_edgetpu is not used" in caplog.text


def test_a_model_without_a_twin_has_none(entries) -> None:
    assert specs.edgetpu_twin(store.fetch("boxes")) is None
