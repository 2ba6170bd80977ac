"""Losses, per sample: classes, boxes, masks, keypoints, faces, and what a teacher says."""
