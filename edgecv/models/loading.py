"""Reading a network from a .keras or .h5 file: data alone, no Python code inside a file is run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from edgecv.errors import EdgeCVError, InferenceError, ModelFileError
from edgecv.modelfile import check

OWN_LAYERS = "edgecv>"
"""What the registered names of edgecv's own layers begin with."""

CODE = ("Lambda", "__lambda__")
"""What Python code is called in a file's config."""


def load_network(path: Path) -> keras.Model:
    """Read a network, without loss and optimizer. It may have layers of Keras and of edgecv.

    A Sequential is given back as the functional network that it is.

    Args:
        path: A .keras file, or an .h5 file with a whole model inside.

    Raises:
        ModelFileError: The file is missing or damaged, holds weights alone, or a network that was
            never built.
        InferenceError: Keras refuses it: a layer of somebody else, code inside the file.
    """
    try:
        config = _h5_config(path) if path.suffix == ".h5" else _keras_config(path)
        for module in sorted(own_modules(config)):
            import_module(module)  # which registers its layers
        older = {"DepthwiseConv2D": _Depthwise} if path.suffix == ".h5" else None
        model = keras.saving.load_model(path, older, compile=False, safe_mode=True)
    except EdgeCVError:
        raise
    except Exception as error:  # Keras raises what the failing layer raises
        raise _refusal(path, error) from error
    return _functional(model, path) if isinstance(model, keras.Sequential) else model


class _Depthwise:
    """What reads a depthwise convolution of Keras 2, whose config Keras 3 refuses."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> keras.layers.DepthwiseConv2D:
        """Return the layer without `groups`, which never was another than 1."""
        known = {key: value for key, value in config.items() if key != "groups"}
        return keras.layers.DepthwiseConv2D.from_config(known)


def own_modules(config: Any) -> set[str]:
    """Return the modules of edgecv.models and edgecv.training that a file's config names."""
    own = (t for t in _tables(config) if str(t.get("registered_name")).startswith(OWN_LAYERS))
    named = {str(table.get("module")) for table in own}
    return {name for name in named if name.startswith(("edgecv.models.", "edgecv.training."))}


def _tables(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every table of a file's config, those inside of others too."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            yield from _tables(item)


def _keras_config(path: Path) -> Any:
    check(path)
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def _h5_config(path: Path) -> Any:
    """Return the config in a file of Keras's older format.

    Raises:
        ModelFileError: There is none.
        InferenceError: It has code inside, which older Keras runs from these files.
    """
    h5py: Any = import_module("h5py")  # which Keras brings, without types
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
    except OSError as error:
        raise ModelFileError(f"{path} is missing, damaged or no HDF5 file: {error}") from error
    if text is None:
        raise ModelFileError(
            f"{path} holds weights and no model: build the model in Python, load them into it and "
            "save it whole, with model.save('model.keras')"
        )
    config = json.loads(text)
    if any(table.get("class_name") in CODE for table in _tables(config)):
        raise InferenceError(
            f"{path.name} has a Lambda layer, which is Python code inside a file: edgecv refuses "
            "it; put a layer of Keras in its place"
        )
    return config


def _functional(model: keras.Sequential, path: Path) -> keras.Model:
    """Return a Sequential with the same layers and names as a functional network."""
    if not model.built:
        raise ModelFileError(
            f"{path} holds a Sequential without an input: begin it with "
            "keras.Input((HEIGHT, WIDTH, 3)) and save it again"
        )
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _refusal(path: Path, error: Exception) -> EdgeCVError:
    text = " ".join(str(error).split()).rpartition("Exception encountered: ")[2][:300]
    if isinstance(error, (zipfile.BadZipFile, json.JSONDecodeError, OSError)):
        return ModelFileError(f"{path} is damaged: {text}")
    return InferenceError(f"{path.name}: keras {keras.__version__} refuses it: {text}")
