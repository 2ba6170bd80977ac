from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from edgecv.image import Plan
from edgecv.spec import InputSpec
from edgecv.training.data.augment import Augment
from edgecv.training.data.folders import class_folders
from edgecv.training.data.geometry import INPUT
from edgecv.training.data.mix import soft_labels
from edgecv.training.data.pipeline import batches
from edgecv.training.data.samples import Sample, SampleList
from edgecv.types import TensorSpec

STRONG = Augment(
    mirror=True, crop=0.4, aspect=1.3, rotate=20, color=0.4, hue=9, blur=0.3, jpeg=0.3,
    cutout=0.3, mixup=0.4,
)  # fmt: skip
SIZE = (32, 48)
CLASSES = 5


def pictures(count: int = 22) -> SampleList:
    rng = np.random.default_rng(0)
    items = [
        Sample(rng.integers(0, 256, (*rng.integers(30, 90, 2), 3), np.uint8), label=i % CLASSES)
        for i in range(count)
    ]
    return SampleList(items, tuple("abcde"))


def encode(samples: Sequence[Sample]) -> Mapping[str, np.ndarray]:
    return {
        "soft": soft_labels(samples, CLASSES),
        "label": np.array([sample.label for sample in samples], np.int64),
    }


def run(**changes: object) -> list[str]:
    """Return a fingerprint of every batch, bytes of pictures and targets together."""
    options: dict = {
        "size": SIZE, "batch": 4, "epochs": 5, "seed": 7, "settings": STRONG, **changes,
    }  # fmt: skip
    prints = []
    for images, targets in batches(pictures(), encode, **options).as_numpy_iterator():
        parts = (images, targets["soft"], targets["label"])
        prints.append(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
    return prints


def test_batches_are_the_same_however_many_threads_make_them() -> None:
    alone = run(threads=1)
    assert len(alone) == len(set(alone)) == 5 * 6
    assert run(threads=4) == alone == run()


def test_a_run_that_begins_at_epoch_three_goes_on_as_the_whole_one() -> None:
    assert run(first_epoch=3) == run()[3 * 6 :]
    assert run(first_epoch=5) == []


def test_every_epoch_changes_the_same_pictures_anew() -> None:
    prints = run(shuffle=False)
    assert len(set(prints)) == len(prints)
    assert len(set(run(shuffle=False, settings=None))) == 6


def test_another_seed_gives_other_batches() -> None:
    assert not set(run()) & set(run(seed=8))


def test_a_batch_has_pictures_in_range_and_targets_as_they_were_encoded() -> None:
    dataset = batches(pictures(), encode, size=SIZE, batch=4, epochs=1, settings=STRONG)
    spec, targets = dataset.element_spec
    assert spec.shape.as_list() == [None, *SIZE, 3]
    assert targets["soft"].shape.as_list() == [None, CLASSES]
    sizes = []
    for images, soft in dataset.as_numpy_iterator():
        assert images.dtype == np.float32
        assert -1 <= images.min() < -0.5
        assert 0.5 < images.max() <= 1
        assert soft["soft"].sum(axis=1) == pytest.approx(1)
        sizes.append(len(images))
    assert sizes == [4, 4, 4, 4, 4, 2]


def test_targets_may_be_one_array_and_batches_of_one_size() -> None:
    dataset = batches(
        pictures(),
        lambda samples: np.array([s.label for s in samples], np.int64),
        size=SIZE, batch=4, epochs=2, shuffle=False, drop_remainder=True,
    )  # fmt: skip
    assert dataset.element_spec[1].shape.as_list() == [4]
    assert int(dataset.cardinality()) == 10
    labels = np.concatenate([y for _, y in dataset.as_numpy_iterator()])
    assert labels.tolist() == [i % CLASSES for i in range(20)] * 2


@pytest.mark.parametrize("fit_", ["stretch", "letterbox", "crop"])
def test_a_batch_of_validation_is_what_inference_prepares(fit_: str) -> None:
    samples = pictures()
    spec = InputSpec(mean=(127.5,) * 3, std=(127.5,) * 3, fit=fit_, pad=3)
    plan = Plan(spec, TensorSpec("x", (1, *SIZE, 3), np.dtype(np.float32)))
    dataset = batches(samples, encode, size=SIZE, batch=5, epochs=1, shuffle=False, input=spec)
    ours = np.concatenate([images for images, _ in dataset.as_numpy_iterator()])
    expected = np.concatenate([plan(item.image)[0] for item in samples.items])
    assert ours.tobytes() == expected.tobytes()


def test_shards_share_the_samples_of_an_epoch() -> None:
    numbered = SampleList(
        [Sample(item.image, label=i) for i, item in enumerate(pictures().items)], ("",) * 22
    )
    seen: list[int] = []
    for index in range(2):
        dataset = batches(
            numbered,
            lambda samples: np.array([s.label for s in samples], np.int64),
            size=SIZE, batch=4, epochs=1, seed=3, shard=(index, 2), settings=STRONG,
        )  # fmt: skip
        labels = [y for _, y in dataset.as_numpy_iterator()]
        assert len(labels) == 3
        seen += np.concatenate(labels).tolist()
    assert len(seen) == 22


def test_an_encoder_that_changes_its_shape_is_caught() -> None:
    def uneven(samples: Sequence[Sample]) -> np.ndarray:
        return np.zeros((len(samples), len(samples)), np.float32)

    with pytest.raises(Exception, match=r"(?i)shape"):
        list(batches(pictures(), uneven, size=SIZE, batch=4, epochs=1))


def test_a_picture_that_has_become_unreadable_stops_the_run_by_name(tmp_path: Path) -> None:
    import cv2

    from edgecv.training.data.stored import Reading

    for name, byte in (("a", 1), ("b", 2), ("c", 3)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), np.full((9, 9, 3), byte, np.uint8))
    samples = class_folders(tmp_path, reading=Reading(cache_mb=0))
    dataset = batches(
        samples, encode, size=SIZE, batch=1, epochs=1, shuffle=False, settings=Augment()
    )
    (tmp_path / "b" / "0.png").write_bytes(b"gone")
    with pytest.raises(Exception, match=r"b/0\.png is not a picture"):
        list(dataset)


def test_epochs_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="first_epoch <= epochs"):
        batches(pictures(), encode, size=SIZE, batch=4, epochs=2, first_epoch=3)


@pytest.mark.data
def test_flowers_are_the_same_again(data: Path) -> None:
    samples = class_folders(data / "flowers_eval")

    def once(first: int, threads: int) -> list[bytes]:
        dataset = batches(
            samples, encode, size=(96, 96), batch=32, epochs=2, first_epoch=first, seed=1,
            settings=STRONG, threads=threads, input=INPUT,
        )  # fmt: skip
        return [images.tobytes() for images, _ in dataset.as_numpy_iterator()]

    whole = once(0, 2)
    assert len(whole) == 20
    assert once(1, 1) == whole[10:]
