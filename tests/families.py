"""Every family of networks, small, each with the heads that go on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecv import models
from edgecv.models.heatmap import heatmap_pose
from edgecv.models.ppn import ppn
from edgecv.models.segmentation import fcn, unet
from edgecv.models.ssd import ssd

SIDE = 64
ANCHORS = {"layers": 3, "strides": (8, 16, 32)}


def family(name: str, **options: Any) -> Callable[[], Any]:
    return lambda: models.build(name, input_size=SIDE, **options)


def on(make: Callable[..., Any], **options: Any) -> Callable[[], Any]:
    def build() -> Any:
        backbone = models.build("mobilenet_v1", input_size=SIDE, alpha=0.25, include_top=False)
        return make(backbone, **options)

    return build


FAMILIES = {
    "mobilenet_v1": family("mobilenet_v1", alpha=0.25, classes=3),
    "mobilenet_v2": family("mobilenet_v2", alpha=0.35, classes=3),
    "mobilenet_v3_small": family("mobilenet_v3_small", alpha=0.75, classes=3),
    "mobilenet_v3_large": family("mobilenet_v3_large", minimalistic=True, classes=3),
    "efficientnet_lite0": family("efficientnet_lite0", classes=3),
    "shufflenet_v1": family("shufflenet_v1", alpha=0.25, classes=3),
    "shufflenet_v2": family("shufflenet_v2", alpha=0.5, classes=3),
    "squeezenet": family("squeezenet", classes=3),
    "mobilefacenet": family("mobilefacenet", alpha=0.25, padding="symmetric"),
    "ssd": on(ssd, classes=3, anchors=ANCHORS),
    "ssd pyramid": on(ssd, classes=3, anchors=ANCHORS, pyramid=True),
    "heatmaps": on(heatmap_pose, keypoints=3, channels=16),
    "ppn": on(ppn, keypoints=3, limbs=3, channels=16),
    "unet": on(unet, classes=3),
    "fcn": on(fcn, classes=3),
}
