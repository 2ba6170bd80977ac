import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from edgecv.decoders.segmentation import decode
from edgecv.image import Placement
from edgecv.models import build
from edgecv.models.segmentation import fcn, segmentation_spec, unet
from edgecv.training.data.samples import Sample
from edgecv.training.losses.masks import dice_cross_entropy
from edgecv.training.targets.masks import mask_encoder
from edgecv.types import Size


def backbone(size=64, **options):
    return build("mobilenet_v2", input_size=size, alpha=0.35, include_top=False, **options)


@pytest.mark.parametrize("lite", [True, False], ids=["lite", "full"])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_unet_gives_scores_at_the_wanted_stride(stride, lite):
    model = unet(backbone((64, 96)), classes=3, stride=stride, lite=lite)
    assert model.output["mask"].shape == (None, 64 // stride, 96 // stride, 3)


def test_a_fully_convolutional_network_gives_scores_at_stride_8():
    model = fcn(backbone((64, 96)), classes=3)
    assert model.output["mask"].shape == (None, 8, 12, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unet(backbone(), classes=2, stride=3), "stride is 1, 2, 4 or 8, got 3"),
        (lambda: unet(backbone(), classes=2, channels=(8, 8)), "channels for 4 steps up"),
        (lambda: unet(backbone(72), classes=2), "whose sides 32 divides"),
        (lambda: fcn(backbone(72), classes=2), "whose sides 32 divides"),
    ],
    ids=["stride", "channels", "size", "size of the fcn"],
)
def test_options_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unet", "fcn"])
def test_a_small_network_learns_four_pictures_by_heart(kind):
    """Nearly every pixel of what is found has the class that it was labelled with."""
    keras.utils.set_random_seed(0)
    size = 96
    samples = pictures(size)
    images = np.stack([s.image[..., ::-1] for s in samples]).astype(np.float32) / 127.5 - 1
    inner = backbone(size, momentum=0.8)
    model = unet(inner, classes=3, momentum=0.8) if kind == "unet" else fcn(inner, classes=3)
    output = Size(*model.output["mask"].shape[1:3])
    targets = mask_encoder(Size(size, size), output=output)(samples)
    losses = learn(model, images, targets, steps=120)
    assert losses[-1] < losses[0] / 5
    spec = segmentation_spec("m", labels=("ground", "box", "disk"))
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(size, size), Size(size, size))
    logits = keras.ops.convert_to_numpy(model(images, training=False)["mask"])
    for one, sample in zip(logits, samples, strict=True):
        found = decode({"mask": one[None]}, spec, placement)
        assert (found.class_map == sample.mask).mean() > (0.97 if kind == "unet" else 0.9)


def pictures(size):
    """Noise with a bright box and a dark disk."""
    import cv2

    rng = np.random.default_rng(2)
    samples = []
    for _ in range(4):
        image = rng.integers(90, 160, (size, size, 3), np.uint8)
        mask = np.zeros((size, size), np.uint8)
        x, y = rng.integers(4, size // 3, 2)
        mask[y : y + size // 3, x : x + size // 3] = 1
        centre = rng.integers(2 * size // 3, size - 12, 2).tolist()
        cv2.circle(mask, centre, size // 6, 2, -1)
        image[mask == 1], image[mask == 2] = 250, 5
        samples.append(Sample(image, mask=mask))
    return samples


def learn(model, images, targets, *, steps, rate=3e-3):
    """Take some steps on one batch; return the losses."""
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    optimizer.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = dice_cross_entropy(targets, model(images, training=True)["mask"])
        slopes = tape.gradient(value, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        return value

    return [float(step()) for _ in range(steps)]
