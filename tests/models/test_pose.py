import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from edgecv.decoders import heatmap as heatmap_decoder
from edgecv.decoders import ppn as ppn_decoder
from edgecv.evaluation.pose import oks
from edgecv.image import Placement
from edgecv.models import build
from edgecv.models.heatmap import heatmap_pose, heatmap_spec
from edgecv.models.ppn import ppn, ppn_spec
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Sample
from edgecv.training.losses.pose import POSE_LOSSES
from edgecv.training.targets.pose import heatmap_encoder, ppn_encoder
from edgecv.types import Size

# Keras' own, when it writes a file
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def backbone(size=96, alpha=0.35, **options):
    return build("mobilenet_v2", input_size=size, alpha=alpha, include_top=False, **options)


@pytest.mark.parametrize("lite", [True, False], ids=["lite", "full"])
@pytest.mark.parametrize("stride", [4, 8, 16])
def test_heatmaps_have_the_wanted_stride(stride, lite):
    model = heatmap_pose(backbone((64, 96)), stride=stride, keypoints=5, lite=lite)
    assert {k: v.shape for k, v in model.output.items()} == {
        "heatmaps": (None, 64 // stride, 96 // stride, 5),
        "offsets": (None, 64 // stride, 96 // stride, 10),
    }


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_proposals_have_the_wanted_stride(stride):
    model = ppn(backbone((64, 96)), stride=stride, window=5)
    assert {k: v.shape for k, v in model.output.items()} == {
        "parts": (None, 64 // stride, 96 // stride, 108),
        "limbs": (None, 64 // stride, 96 // stride, 17 * 25),
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: heatmap_pose(backbone(), stride=2), "stride is 4, 8 or 16, got 2"),
        (lambda: heatmap_pose(backbone(100)), "whose sides 32 divides"),
        (lambda: ppn(backbone(), window=4), "window is an odd number of cells, got 4"),
    ],
    ids=["stride", "size", "window"],
)
def test_options_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("kind", ["heatmap", "ppn"])
def test_the_spec_survives_json_and_the_model_its_file(kind, tmp_path):
    if kind == "heatmap":
        model, spec, decode = heatmap_pose(backbone()), heatmap_spec("m"), heatmap_decoder.decode
    else:
        model, spec, decode = ppn(backbone()), ppn_spec("m"), ppn_decoder.decode
    model.save(tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras")
    spec = ModelSpec.from_dict(spec.with_changes(score=0.0).to_dict())
    outputs = numbers(model(np.zeros((1, 96, 96, 3))))
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(96, 96), Size(96, 96))
    found = decode(outputs, spec, placement, **spec.options)
    assert len(found) == (kind == "heatmap")  # an untrained network proposes nobody


def numbers(outputs):
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


def pictures(size, people):
    """Noise with coloured dots at the keypoints of stick figures, `people` in each picture."""
    rng = np.random.default_rng(3)
    samples = []
    for _ in range(4):
        image = rng.integers(100, 140, (size, size, 3), np.uint8)
        boxes, points = [], []
        for i in range(people):
            wide = size // people
            box = np.array((i * wide + 4, 4, (i + 1) * wide - 4, size - 4), np.float32)
            own = np.full((17, 3), 2, np.float32)
            own[:, :2] = rng.uniform(box[:2] + 4, box[2:] - 4, (17, 2))
            for k, (x, y) in enumerate(own[:, :2].astype(int)):
                image[y - 3 : y + 4, x - 3 : x + 4] = (15 * k, 255 - 15 * k, 255 * (k % 2))
            boxes.append(box)
            points.append(own)
        samples.append(Sample(image, boxes=np.array(boxes), keypoints=np.array(points)))
    return samples


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "people"), [("mse", 1), ("focal", 1), ("ppn", 2)])
def test_a_small_network_learns_four_pictures_by_heart(kind, people):
    """The people's similarity to what is found is near 1."""
    keras.utils.set_random_seed(0)
    size = 128 if kind == "ppn" else 96
    inner = backbone(size, momentum=0.8)
    samples = pictures(size, people)
    images = np.stack([s.image[..., ::-1] for s in samples]).astype(np.float32) / 127.5 - 1
    if kind == "ppn":
        model, spec = ppn(inner, window=15, momentum=0.8), ppn_spec("m")
        targets = ppn_encoder(Size(size, size), grid=Size(8, 8), window=15)(samples)
        decode, steps, least = ppn_decoder.decode, 250, 0.8
    else:
        model = heatmap_pose(inner, stride=8, momentum=0.8)
        spec = heatmap_spec("m", activation="none" if kind == "mse" else "sigmoid")
        targets = heatmap_encoder(Size(size, size), stride=8, sigma=1)(samples)
        decode, steps, least = heatmap_decoder.decode, 200, 0.9
    losses = learn(model, POSE_LOSSES[kind], images, targets, steps=steps)
    assert losses[-1] < losses[0] / 5
    outputs = numbers(model(images, training=False))
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(size, size), Size(size, size))
    similar = []
    for i, sample in enumerate(samples):
        one = {name: value[i : i + 1] for name, value in outputs.items()}
        found = decode(one, spec, placement, **spec.options)
        areas = np.full(people, size * size / people, np.float32)
        table = oks(found.keypoints, sample.keypoints, areas)
        similar += table.max(axis=0, initial=0).tolist()
    assert min(similar) > least


def learn(model, loss, images, targets, *, steps, rate=3e-3):
    """Take some steps on one batch; return the losses."""
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    optimizer.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(targets, model(images, training=True))
        slopes = tape.gradient(value, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        return value

    return [float(step()) for _ in range(steps)]
