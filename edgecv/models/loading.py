"""Reading a network from a .keras file: data alone, no Python code inside a file is run."""

from __future__ import annotations

import json
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from edgecv.errors import EdgeCVError, InferenceError, ModelFileError
from edgecv.modelfile import check

OWN_LAYERS = "edgecv>"
"""What the registered names of edgecv's own layers begin with."""


def load_network(path: Path) -> keras.Model:
    """Read a network, without loss and optimizer. It may have layers of Keras and of edgecv.

    Raises:
        ModelFileError: The file is missing or damaged.
        InferenceError: Keras refuses it: a layer of somebody else, code inside the file.
    """
    check(path)
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        for module in sorted(own_modules(config)):
            import_module(module)  # which registers its layers
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except EdgeCVError:
        raise
    except Exception as error:  # Keras raises what the failing layer raises
        raise _refusal(path, error) from error


def own_modules(config: Any) -> set[str]:
    """Return the modules of edgecv.models and edgecv.training that a file's config names."""
    if isinstance(config, list):
        return set().union(*map(own_modules, config))
    if not isinstance(config, dict):
        return set()
    out = set().union(*map(own_modules, config.values()))
    if str(config.get("registered_name")).startswith(OWN_LAYERS):
        module = str(config.get("module"))
        out |= {module} if module.startswith(("edgecv.models.", "edgecv.training.")) else set()
    return out


def _refusal(path: Path, error: Exception) -> EdgeCVError:
    text = " ".join(str(error).split()).rpartition("Exception encountered: ")[2][:300]
    if isinstance(error, (zipfile.BadZipFile, json.JSONDecodeError, OSError)):
        return ModelFileError(f"{path} is damaged: {text}")
    return InferenceError(f"{path.name}: keras {keras.__version__} refuses it: {text}")
