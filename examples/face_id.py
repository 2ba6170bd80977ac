"""Enrol somebody from one photograph and look for them in others.

python examples/face_id.py NAME enrol.jpg others.jpg...
"""

import sys
from pathlib import Path

import edgecv
from edgecv.enrolment import face_to_enroll
from edgecv.faces import embed_faces
from edgecv.gallery import open_gallery

name, enrol, *others = sys.argv[1:]
detector, embedder = edgecv.load("yunet_n_320"), edgecv.load("mobilefacenet_int8")
image = edgecv.read_image(enrol)
faces = detector(image)
faces = faces[face_to_enroll(image, faces)]  # raises with the reason where a photo will not do
with open_gallery(Path("faces.db"), embedder) as gallery:
    gallery.enroll(name, embed_faces(image, faces, embedder))
    for other in others:
        image = edgecv.read_image(other)
        vectors = embed_faces(image, detector(image), embedder)
        names, similarity = gallery.identify(vectors, threshold=embedder.spec.score)
        print(other, [(n or "unknown", round(float(s), 2)) for n, s in zip(names, similarity)])
