import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from edgecv.boxes import ssd_anchors
from edgecv.decoders.ssd import decode
from edgecv.image import Placement
from edgecv.labels import FACE_5
from edgecv.models import build
from edgecv.models.ssd import ssd, ssd_spec
from edgecv.results import Faces
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Sample
from edgecv.training.losses.boxes import BACKGROUND, BOX_LOSSES
from edgecv.training.targets.boxes import ssd_encoder
from edgecv.types import Size

EIGHT = {"layers": 5, "strides": (8, 16, 32, 64, 128), "scale_min": 0.1}


def backbone(size=96, alpha=0.35, **options):
    return build("mobilenet_v2", input_size=size, alpha=alpha, include_top=False, **options)


@pytest.mark.parametrize("lite", [True, False], ids=["lite", "full"])
@pytest.mark.parametrize("pyramid", [True, False], ids=["pyramid", "plain"])
@pytest.mark.parametrize("background", [True, False], ids=["softmax", "sigmoid"])
@pytest.mark.parametrize(
    ("size", "anchors"),
    [(96, {"layers": 4}), ((96, 160), {"layers": 3}), (100, EIGHT)],
    ids=["square", "wide", "odd"],
)
def test_there_is_a_row_for_each_anchor_of_the_decoder(size, anchors, lite, pyramid, background):
    model = ssd(
        backbone(size), classes=3, anchors=anchors, lite=lite, pyramid=pyramid,
        background=background,
    )  # fmt: skip
    hw = Size(*size) if isinstance(size, tuple) else Size(size, size)
    rows = len(ssd_anchors(hw, **anchors))
    assert {k: v.shape for k, v in model.output.items()} == {
        "boxes": (None, rows, 4),
        "scores": (None, rows, 3 + background),
    }
    assert list(model.output) == ["boxes", "scores"]


@pytest.mark.parametrize("pyramid", [True, False], ids=["pyramid", "plain"])
def test_a_row_answers_for_the_anchor_that_stands_in_the_same_row(pyramid):
    """What a corner of the picture changes most are the rows whose anchors lie there."""
    anchors = {"layers": 2, "scale_min": 0.2}
    model = ssd(backbone(256), classes=1, anchors=anchors, pyramid=pyramid)
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 3)).astype(np.float32)
    other = picture.copy()
    other[:, :64, 192:] = 1 - other[:, :64, 192:]
    before, after = (keras.ops.convert_to_numpy(model(p)["scores"])[0] for p in (picture, other))
    centres = ssd_anchors(Size(256, 256), **anchors)[:, :2]
    grids = np.split(np.abs(after - before).sum(1), [16 * 16 * 3])
    for change, places in zip(grids, np.split(centres, [16 * 16 * 3]), strict=True):
        x, y = (change[:, None] * places).sum(0) / change.sum()
        assert x > 0.55
        assert y < 0.45


def test_any_keras_model_carries_the_heads():
    inner = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(96, 96, 3), alpha=0.35
    )
    model = ssd(inner, classes=2, anchors={"layers": 3})
    assert model.output["scores"].shape == (None, len(ssd_anchors((96, 96), layers=3)), 3)


@pytest.mark.slow
def test_the_size_is_about_that_of_the_paper():
    """MobileNetV2 + SSDLite on 80 classes: 4.3 M parameters (Sandler et al. 2018, Table 6).

    The paper does not give the channels of the maps beyond the backbone.
    """
    whole = ssd(backbone(320, alpha=1.0), classes=80, anchors={})
    assert whole.count_params() == pytest.approx(4.3e6, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anchors": {"layers": 1}}, "two layers or more"),
        ({"anchors": {"scale": 1}}, "anchors: .*scale"),
        ({"anchors": {"layers": 2, "strides": (8, 32)}}, "strides double from map to map"),
        ({"anchors": {"layers": 2, "strides": (1, 2)}}, "no feature map at stride 1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_anchors_that_no_backbone_has_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ssd(backbone(), classes=1, **options)


def test_an_open_size_is_refused():
    inner = keras.applications.MobileNetV2(weights=None, include_top=False, alpha=0.35)
    with pytest.raises(ValueError, match="wanted one input of a fixed size"):
        ssd(inner, classes=1, anchors={})


@pytest.mark.parametrize("background", [True, False])
def test_the_spec_survives_json_and_reads_the_outputs(background):
    anchors = {"layers": 3, "scale_min": 0.2, "ratios": [1.0, 0.5]}
    model = ssd(backbone(), classes=2, anchors=anchors, background=background)
    spec = ssd_spec("m", labels=("a", "b"), anchors=anchors, background=background, score=0.0)
    spec = ModelSpec.from_dict(spec.to_dict())
    outputs = {k: keras.ops.convert_to_numpy(v) for k, v in model(np.zeros((1, 96, 96, 3))).items()}
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(96, 96), Size(96, 96))
    assert len(decode(outputs, spec, placement, **spec.options)) > 0


def test_a_detector_of_faces_has_points_and_its_spec_reads_them():
    anchors = {"layers": 3, "scale_min": 0.2}
    model = ssd(backbone(), classes=1, anchors=anchors, points=5)
    boxes, landmarks = (model.output[name].shape for name in ("boxes", "landmarks"))
    assert landmarks == (None, boxes[1], 10)
    spec = ssd_spec("m", labels=("face",), anchors=anchors, keypoints=FACE_5, score=0.0)
    spec = ModelSpec.from_dict(spec.to_dict())
    outputs = {k: keras.ops.convert_to_numpy(v) for k, v in model(np.zeros((1, 96, 96, 3))).items()}
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(96, 96), Size(96, 96))
    found = decode(outputs, spec, placement, **spec.options)
    assert isinstance(found, Faces)
    assert found.landmarks.shape == (len(found), 5, 2)
    assert found.points == FACE_5


def pictures(count, size):
    """Grey noise with a bright or dark rectangle or two: something to be found."""
    rng = np.random.default_rng(5)
    samples = []
    for i in range(count):
        image = rng.integers(90, 160, (size, size, 3), np.uint8)
        x, y = rng.integers(5, size // 2 - 10, 2)
        w, h = rng.integers(size // 4, size // 2, 2)
        box = np.array([(x, y, x + w, y + h)], np.float32)
        image[y : y + h, x : x + w] = 255 * (i % 2)
        samples.append(Sample(image, boxes=box, classes=np.array([i % 2])))
    return samples


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pyramid"), [("multibox", False), ("focal", True)])
def test_a_small_network_learns_four_pictures_by_heart(name, pyramid):
    from edgecv.boxes import iou

    keras.utils.set_random_seed(0)
    size, anchors = 96, {"layers": 3, "scale_min": 0.3}
    model = ssd(
        backbone(size, momentum=0.8), classes=2, anchors=anchors, pyramid=pyramid,
        background=BACKGROUND[name], momentum=0.8,
    )  # fmt: skip
    spec = ssd_spec(
        "m", labels=("dark", "bright"), anchors=anchors, background=BACKGROUND[name], score=0.5
    )
    samples = pictures(4, size)
    images = np.stack([s.image[..., ::-1] for s in samples]).astype(np.float32) / 127.5 - 1
    targets = ssd_encoder(spec, Size(size, size))(samples)
    steps = learn(model, BOX_LOSSES[name], images, targets, steps=150)
    assert steps[-1] < steps[0] / 10
    outputs = model(images, training=False)
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(size, size), Size(size, size))
    for i, sample in enumerate(samples):
        one = {k: keras.ops.convert_to_numpy(v[i : i + 1]) for k, v in outputs.items()}
        found = decode(one, spec, placement, **spec.options)
        assert found.class_ids[:1].tolist() == sample.classes.tolist()
        assert iou(found.boxes[:1], sample.boxes)[0, 0] > 0.8


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
