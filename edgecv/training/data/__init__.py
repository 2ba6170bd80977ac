"""Labelled pictures on their way into a network: folders, augmentation, batches."""
