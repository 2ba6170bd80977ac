"""An SSD of Keras, as a training leaves it: settled batch norm, heads that find something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edgecv.spec import ModelSpec

SIDE = 96
ANCHORS = {"layers": 3, "scale_min": 0.35}
LABELS = ("cat", "dog", "owl")


def write_ssd(path: Path, images: Sequence[np.ndarray]) -> ModelSpec:
    """Write the network into a .keras file; return its spec.

    Args:
        path: The file to be.
        images: Photographs to settle on, of any size.
    """
    import keras

    from edgecv.models import build
    from edgecv.models.ssd import ssd, ssd_spec
    from edgecv.training.kerasfile import save_model

    keras.utils.set_random_seed(4)
    backbone = build("mobilenet_v2", input_size=SIDE, alpha=0.35, include_top=False, momentum=0.5)
    model = ssd(backbone, classes=len(LABELS), anchors=ANCHORS, momentum=0.5)
    batch = np.stack([cv2.resize(image, (SIDE, SIDE)) for image in images])
    batch = (batch[..., ::-1].astype(np.float32) - 127.5) / 127.5
    for _ in range(12):
        outputs = model(batch, training=True)
    for name, wanted in (("boxes", 1.0), ("scores", 2.0)):
        factor = wanted / float(np.std(keras.ops.convert_to_numpy(outputs[name])))
        for layer in model.layers:
            if layer.name.startswith(name) and layer.name.endswith("_conv"):
                layer.kernel.assign(layer.kernel * factor)
    spec = ssd_spec("tiny_ssd", labels=LABELS, anchors=ANCHORS, score=0.45, overlap=0.5)
    save_model(model, spec, path)
    return spec
