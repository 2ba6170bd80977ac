"""Feature maps enlarged by one operator."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("edgecv")
class Enlarge(keras.layers.UpSampling2D):  # type: ignore[misc]
    """Keras's layer by another way: TFLite gets one RESIZE operator, which the Edge TPU has too.

    Keras repeats rows and columns by reshapes to five axes, which it lacks. (`Resizing` is no way
    out: in Keras 3.15 batch norm behind it is exported as if in training.)
    """

    def call(self, inputs: Any) -> Any:
        """Enlarge (B, H, W, C) maps, H and W known."""
        rows, columns = (
            side * times for side, times in zip(inputs.shape[1:3], self.size, strict=True)
        )
        return keras.ops.image.resize(inputs, (rows, columns), interpolation=self.interpolation)
