"""What a network is to answer for a picture: boxes, masks and keypoints on its grids."""
