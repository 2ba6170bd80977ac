"""Names of classes and keypoints that many public models share, by the name of the set."""

from __future__ import annotations

# The 80 classes of COCO detection (Lin et al. 2014, cocodataset.org), in the order of their ids.
COCO_80 = tuple(
    """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant
|stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe
|backpack|umbrella|handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat
|baseball glove|skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon
|bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch
|potted plant|bed|dining table|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave
|oven|toaster|sink|refrigerator|book|clock|vase|scissors|teddy bear|hair drier
|toothbrush""".replace("\n", "").split("|")
)
# COCO numbers its 80 classes 1..90; these ten numbers were never used for boxes.
_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_NAMES = iter(COCO_80)
COCO_90 = tuple("n/a" if number in _COCO_GAPS else next(_NAMES) for number in range(1, 91))

# The 20 classes of Pascal VOC after the background (Everingham et al. 2010).
PASCAL_21 = tuple(
    """background|aeroplane|bicycle|bird|boat|bottle|bus|car|cat|chair|cow|diningtable|dog|horse
|motorbike|person|pottedplant|sheep|sofa|train|tvmonitor""".replace("\n", "").split("|")
)

COCO_17 = tuple(
    """nose|left_eye|right_eye|left_ear|right_ear|left_shoulder|right_shoulder|left_elbow|right_elbow
|left_wrist|right_wrist|left_hip|right_hip|left_knee|right_knee|left_ankle|right_ankle""".replace(
        "\n", ""
    ).split("|")
)
# Pairs of indices into COCO_17 that are drawn as limbs.
COCO_17_SKELETON = (
    *((0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
    *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
)

# The 33 landmarks of BlazePose (Bazarevsky et al. 2020).
BLAZEPOSE_33 = tuple(
    """nose|left_eye_inner|left_eye|left_eye_outer|right_eye_inner|right_eye|right_eye_outer|left_ear
|right_ear|mouth_left|mouth_right|left_shoulder|right_shoulder|left_elbow|right_elbow|left_wrist
|right_wrist|left_pinky|right_pinky|left_index|right_index|left_thumb|right_thumb|left_hip|right_hip
|left_knee|right_knee|left_ankle|right_ankle|left_heel|right_heel|left_foot_index|right_foot_index""".replace(
        "\n", ""
    ).split("|")
)
BLAZEPOSE_33_SKELETON = (
    *((0, 2), (0, 5), (2, 7), (5, 8), (9, 10), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    *((11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (27, 29), (29, 31)),
    *((24, 26), (26, 28), (28, 30), (30, 32)),
)

FACE_5 = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""The five points of a face, left and right as seen in the picture."""

LABELS = {"coco_80": COCO_80, "coco_90": COCO_90, "pascal_21": PASCAL_21}
KEYPOINTS = {
    "coco_17": (COCO_17, COCO_17_SKELETON),
    "blazepose_33": (BLAZEPOSE_33, BLAZEPOSE_33_SKELETON),
}
