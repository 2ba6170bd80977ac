"""Quantization-aware training for Keras 3."""
