"""Keras definitions of small networks, one file a family, by name.

Every builder returns a functional `keras.Model` whose one input is float32 (B, H, W, 3), RGB,
scaled to -1..1. With its top, a classifier gives logits (B, classes) and no softmax; without, its
last feature map. Names are imported when they are asked for: `import edgecv` stays free of Keras.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edgecv.errors import unknown_name
from edgecv.registry import Registry, package_missing

if TYPE_CHECKING:
    import keras

MODELS = Registry(
    "model",
    {
        "mobilenet_v1": "edgecv.models.mobilenet_v1:mobilenet_v1",
        "mobilenet_v2": "edgecv.models.mobilenet_v2:mobilenet_v2",
        "mobilenet_v3_large": "edgecv.models.mobilenet_v3:mobilenet_v3_large",
        "mobilenet_v3_small": "edgecv.models.mobilenet_v3:mobilenet_v3_small",
        "efficientnet_lite0": "edgecv.models.efficientnet_lite:efficientnet_lite0",
        "shufflenet_v1": "edgecv.models.shufflenet_v1:shufflenet_v1",
        "shufflenet_v2": "edgecv.models.shufflenet_v2:shufflenet_v2",
        "squeezenet": "edgecv.models.squeezenet:squeezenet",
        "mobilefacenet": "edgecv.models.mobilefacenet:mobilefacenet",
    },
)


def build(name: str, **options: Any) -> keras.Model:
    """Build the model `name` of `MODELS`, with random weights.

    Args:
        name: A name of `MODELS`.
        options: The keywords of its builder; `option_names` lists them.

    Raises:
        UnknownNameError: There is no such model, or its builder has no such option.
        ValueError: An option has a value that the builder cannot use.
        PackageMissingError: TensorFlow is not installed.
    """
    function = builder(name)
    known = option_names(name)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    return function(**options)


def option_names(name: str) -> tuple[str, ...]:
    """Return the keywords that the builder of `name` takes.

    Raises:
        UnknownNameError: There is no such model.
        PackageMissingError: TensorFlow is not installed.
    """
    return tuple(inspect.signature(builder(name)).parameters)


def builder(name: str) -> Callable[..., keras.Model]:
    """Return the function that builds the model `name`.

    Raises:
        UnknownNameError: There is no such model.
        PackageMissingError: TensorFlow is not installed.
    """
    MODELS[name]  # an unknown name is told before a missing package
    needs_tensorflow()
    function: Callable[..., keras.Model] = MODELS.load(name)
    return function


def needs_tensorflow() -> None:
    """Refuse to go on without TensorFlow; it is not imported to tell.

    Raises:
        PackageMissingError: It is not installed.
    """
    if find_spec("tensorflow") is None:
        raise package_missing("tensorflow", "train")
