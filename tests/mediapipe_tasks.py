"""Runs models in MediaPipe Tasks; in MediaPipe's environment, not in that of the tests.

    python mediapipe_tasks.py classify|detect|segment|metadata MODEL.tflite [PICTURES.npz]

The pictures are uint8 (H, W, 3), RGB. Writes JSON: for each picture its classes as [name, index,
score], its detections as [name, score, left, top, right, bottom] or the class of every pixel; or
what the metadata say.
"""

import json
import sys
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
from mediapipe.tasks.metadata import schema_py_generated
from mediapipe.tasks.python import BaseOptions, vision


def classify(model, pictures):
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    with vision.ImageClassifier.create_from_options(options) as task:
        for picture in pictures:
            (head,) = task.classify(picture).classifications
            yield [[c.category_name, c.index, c.score] for c in head.categories]


def detect(model, pictures):
    options = vision.ObjectDetectorOptions(base_options=BaseOptions(model_asset_path=model))
    with vision.ObjectDetector.create_from_options(options) as task:
        for picture in pictures:
            yield [row for found in task.detect(picture).detections for row in rows(found)]


def rows(found):
    """Return a row for each class: detections of the same box are given as one."""
    box = found.bounding_box
    left, top = box.origin_x, box.origin_y
    corners = [left, top, left + box.width, top + box.height]
    return [[each.category_name, each.score, *corners] for each in found.categories]


def segment(model, pictures):
    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=model), output_category_mask=True
    )
    with vision.ImageSegmenter.create_from_options(options) as task:
        for picture in pictures:
            yield task.segment(picture).category_mask.numpy_view().squeeze().tolist()


def metadata(model):
    whole = schema_py_generated.ModelT.InitFromPackedBuf(Path(model).read_bytes(), 0)
    entries = {bytes(entry.name): entry.buffer for entry in whole.metadata}
    data = bytes(whole.buffers[entries[b"TFLITE_METADATA"]].data)
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(data, 0)
    return plain(schema.ModelMetadataT.InitFromPackedBuf(data, 0))


def plain(value):
    """Return a table as JSON values, without what it leaves out."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, np.ndarray)):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {key: plain(item) for key, item in vars(value).items() if item is not None}
    return value.item() if isinstance(value, np.generic) else value


TASKS = {"classify": classify, "detect": detect, "segment": segment}


def main(task, model, pictures=None):
    if task == "metadata":
        found = metadata(model)
    else:
        with np.load(pictures) as arrays:
            images = [
                mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(arrays[name]))
                for name in arrays.files
            ]
        found = list(TASKS[task](model, images))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
