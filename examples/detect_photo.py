"""Find things in a photograph, print them and save the picture with boxes.

python examples/detect_photo.py photo.jpg
"""

import sys

import cv2

import edgecv

model = edgecv.load("ssd_mobilenet_v1_coco_int8", score=0.5)
image = edgecv.read_image(sys.argv[1])
result = model(image)
for name, score, box in zip(result.names, result.scores, result.boxes, strict=True):
    print(f"{name} {score:.2f} at {box.round().astype(int).tolist()}")
cv2.imwrite("detected.png", result.draw(image))
