"""Semi-hard negatives of a distance matrix made by hand; batches of people."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("keras")

import tensorflow as tf

from edgecv.training.data.pipeline import batches
from edgecv.training.data.samples import Sample, SampleList
from edgecv.training.losses.triplet import ByPeople, identity_order, semi_hard_negatives, triplet

# pictures 0, 1 of person 0; 2, 3 of person 1; 4 of person 2
IDS = np.array([0, 0, 1, 1, 2])
DISTANCES = np.array(
    [
        [0.0, 0.5, 0.3, 0.6, 0.9],
        [0.5, 0.0, 0.4, 0.2, 0.1],
        [0.3, 0.4, 0.0, 0.7, 0.8],
        [0.6, 0.2, 0.7, 0.0, 0.7],
        [0.9, 0.1, 0.8, 0.7, 0.0],
    ],
    np.float32,
)


@pytest.mark.parametrize(
    ("anchor", "positive", "wanted"),
    [
        pytest.param(0, 1, 0.6, id="0.3 is hard, 0.6 the nearest beyond 0.5"),
        pytest.param(1, 0, 0.4, id="none beyond 0.5: the farthest"),
        pytest.param(2, 3, 0.8, id="only 0.8 is beyond 0.7"),
        pytest.param(3, 2, 0.7, id="as far as the positive is not farther: the farthest"),
    ],
)
def test_the_semi_hard_negative_is_the_nearest_beyond_the_positive(anchor, positive, wanted):
    chosen = np.asarray(semi_hard_negatives(DISTANCES, IDS))
    assert chosen[anchor, positive] == pytest.approx(wanted)


def _plain(embeddings, ids, margin):
    """The same loss, by loops."""
    x = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    d = ((x[:, None] - x[None]) ** 2).sum(-1)
    terms = []
    for a in range(len(ids)):
        others = [n for n in range(len(ids)) if ids[n] != ids[a]]
        for p in range(len(ids)):
            if p == a or ids[p] != ids[a] or not others:
                continue
            beyond = [d[a, n] for n in others if d[a, n] > d[a, p]]
            negative = min(beyond) if beyond else max(d[a, n] for n in others)
            terms.append(max(0.0, d[a, p] - negative + margin))
    return float(np.mean(terms)) if terms else 0.0


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_the_mean_over_all_pairs_of_a_person(seed):
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(12, 4)).astype(np.float32)
    ids = rng.integers(0, 5, 12)
    got = float(triplet(ids, embeddings, margin=0.4))
    assert got == pytest.approx(_plain(embeddings, ids, 0.4), rel=1e-4)
    assert got > 0


@pytest.mark.parametrize(
    "ids", [[0, 1, 2, 3], [7, 7, 7, 7]], ids=["no two of a person", "one person"]
)
def test_a_batch_without_triplets_gives_zero_and_no_gradient(ids):
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = triplet(np.array(ids), x)
    assert float(value) == 0
    assert np.asarray(tape.gradient(value, x)).tolist() == np.zeros((4, 3)).tolist()


def test_the_gradient_draws_pairs_together_and_is_finite_for_equal_pictures():
    x = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = triplet(np.array([0, 0, 1, 1]), x, margin=0.2)
    gradient = tape.gradient(value, x).numpy()
    assert np.isfinite(gradient).all()
    assert float(triplet(np.array([0, 0, 1, 1]), x - 0.05 * gradient)) < float(value)


LABELS = np.array([0] * 9 + [1] * 5 + [2] * 4 + [3] * 2 + list(range(4, 40)))


@pytest.mark.parametrize("batch", [8, 16, 56, 100])
@pytest.mark.parametrize("labels", [LABELS, np.repeat(np.arange(10), 5)], ids=["long tail", "even"])
def test_an_order_has_every_picture_once(labels, batch):
    order = identity_order(labels, batch=batch, seed=1, epoch=0)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(len(labels)))


def test_every_batch_holds_pairs_and_strangers_where_there_are_enough():
    order = identity_order(LABELS, batch=14, seed=1, epoch=0)  # 56 pictures, 4 batches
    for block in order.reshape(4, 14):
        counts = Counter(LABELS[block].tolist())
        assert max(counts.values()) >= 2
        assert len(counts) >= 2


def test_groups_hold_no_more_than_asked_and_stay_in_one_batch():
    labels = np.repeat(np.arange(32), 8)
    order = identity_order(labels, batch=32, images=4, seed=3, epoch=0)
    for block in order.reshape(-1, 32):
        assert all(n % 4 == 0 for n in Counter(labels[block].tolist()).values())


def test_the_order_depends_on_seed_and_epoch_alone():
    first = identity_order(LABELS, batch=8, seed=1, epoch=2)
    assert first.tolist() == identity_order(LABELS, batch=8, seed=1, epoch=2).tolist()
    assert first.tolist() != identity_order(LABELS, batch=8, seed=1, epoch=3).tolist()
    assert first.tolist() != identity_order(LABELS, batch=8, seed=2, epoch=2).tolist()


def test_the_short_batch_comes_last():
    labels = np.repeat(np.arange(11), 2)
    order = identity_order(labels, batch=8, seed=0, epoch=0)
    for block in (order[:8], order[8:16], order[16:]):
        assert max(Counter(labels[block].tolist()).values()) == 2


@pytest.mark.parametrize(("batch", "images"), [(2, 2), (8, 1)])
def test_batches_too_small_for_triplets_are_refused(batch, images):
    with pytest.raises(ValueError, match="triplets want"):
        identity_order(LABELS, batch=batch, images=images, seed=0, epoch=0)


def test_samples_by_people_bring_the_order_of_every_epoch():
    image = np.zeros((2, 2, 3), np.uint8)
    samples = SampleList([Sample(image, label=k) for k in LABELS.tolist()], ("a", "b"))
    people = ByPeople(samples, LABELS, batch=8, images=3)
    wanted = identity_order(LABELS, batch=8, images=3, seed=5, epoch=2)
    assert people.order(5, 2).tolist() == wanted.tolist()
    assert (len(people), people.names, people.keypoints) == (len(LABELS), ("a", "b"), ())
    assert people[9].label == 1


def test_every_batch_of_the_pipeline_holds_pairs_of_people():
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    labels = np.array([k // 2 if k < 24 else k for k in range(60)])  # 12 pairs, 36 singles
    samples = SampleList(
        [Sample(im, label=k) for im, k in zip(images, labels.tolist(), strict=True)], ("",)
    )
    people = ByPeople(samples, labels, batch=12)
    made = batches(
        people,
        lambda items: np.array([item.label for item in items], np.int64),
        size=(8, 8), batch=12, epochs=2, seed=3, drop_remainder=True,
    )  # fmt: skip
    ids = [targets.numpy() for _, targets in made]
    assert len(ids) == 10
    assert all(len(np.unique(batch)) < 12 for batch in ids)
    assert sorted(np.concatenate(ids[:5]).tolist()) == sorted(labels.tolist())
