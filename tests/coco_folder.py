"""Small datasets in COCO's format: bright figures on noise."""

import json

import cv2
import numpy as np

from edgecv.labels import COCO_17


def write(folder, *, pictures=6, people=2, size=96, seed=0):
    """Write instances.json, person_keypoints.json and images/ with figures that are easy to see."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images, boxes = [], []
    for number in range(pictures):
        image = rng.integers(90, 130, (size, size + 32, 3), np.uint8)
        for i in range(people):
            boxes.append(_figure(image, rng, i, people, number))
        name = f"{number}.png"
        cv2.imwrite(str(folder / "images" / name), image)
        height, width = image.shape[:2]
        images.append({"id": number, "file_name": name, "height": height, "width": width})
    for number, box in enumerate(boxes):
        box |= {"id": number + 1, "iscrowd": 0}
    _write(folder / "instances.json", images, boxes, [
        {"id": 1, "name": "person"}, {"id": 2, "name": "ball"},
    ])  # fmt: skip
    _write(folder / "person_keypoints.json", images, [b for b in boxes if b["keypoints"]], [
        {"id": 1, "name": "person", "keypoints": list(COCO_17)},
    ])  # fmt: skip
    return folder


def _figure(image, rng, index, people, number):
    wide = image.shape[1] // people
    side = int(rng.integers(wide // 2, wide - 8))
    x, y = index * wide + 4, int(rng.integers(4, image.shape[0] - side - 4))
    person = index % 2 == 0
    image[y : y + side, x : x + side] = 250 if person else 5
    points = rng.uniform((x + 4, y + 4), (x + side - 4, y + side - 4), (17, 2))
    for k, point in enumerate(points.astype(int).tolist() if person else ()):
        cv2.circle(image, point, 2, (12 * k, 255 - 15 * k, 255 * (k % 2)), -1)
    keypoints = np.column_stack((points, np.full(17, 2.0))).ravel().tolist() if person else []
    return {
        "image_id": number, "category_id": 1 if person else 2, "bbox": [x, y, side, side],
        "area": side * side, "keypoints": keypoints, "num_keypoints": 17 if person else 0,
    }  # fmt: skip


def _write(file, images, annotations, categories):
    values = {"images": images, "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(values))
