"""The decoder seam: what a model's raw outputs mean. One file for each family of outputs.

A decoder is one function::

    decode(outputs, spec, placement, *, option=default, ...) -> Result

`outputs` are arrays by role (the spec's `outputs` names them) or, where the spec does not name
them, by tensor name in the file's order; integers are already dequantized to float32. `placement`
leads back to frame pixels. The keyword arguments are the options that a spec may set.
"""

from __future__ import annotations

from edgecv.registry import Registry

DECODERS = Registry(
    "decoder",
    {
        "blazeface": "edgecv.decoders.blazeface:decode",
        "blazepose": "edgecv.decoders.blazepose:decode",
        "classifier": "edgecv.decoders.classifier:decode",
        "detection_output": "edgecv.decoders.detection_output:decode",
        "embedding": "edgecv.decoders.embedding:decode",
        "fastestdet": "edgecv.decoders.fastestdet:decode",
        "heatmap": "edgecv.decoders.heatmap:decode",
        "heatmap_paf": "edgecv.decoders.heatmap_paf:decode",
        "landmarks": "edgecv.decoders.landmarks:decode",
        "movenet": "edgecv.decoders.movenet:decode",
        "ppn": "edgecv.decoders.ppn:decode",
        "segmentation": "edgecv.decoders.segmentation:decode",
        "ssd": "edgecv.decoders.ssd:decode",
        "ssd_postprocess": "edgecv.decoders.ssd_postprocess:decode",
        "ulffd": "edgecv.decoders.ulffd:decode",
        "yolox": "edgecv.decoders.yolox:decode",
        "yunet": "edgecv.decoders.yunet:decode",
    },
)
