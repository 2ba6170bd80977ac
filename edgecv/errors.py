"""Every error edgecv raises on purpose.

EdgeCVError
├── SpecError             a model and what is said of it (its spec) do not agree, or nothing is said
├── ModelFileError        a model file is missing, empty, truncated or of an unknown kind
├── ImageError            an image file cannot be read, or is larger than allowed
├── SourceError           a camera, stream or video cannot be opened or has stopped
├── DataError             a dataset folder or annotation file is not what it should be
├── DeviceError           no such device here, or it cannot be used
├── InferenceError        a runtime refused a model, or failed while running it
│   └── DeviceLostError   a device stopped answering while it ran a model
├── PackageMissingError   an optional package is not installed (also an ImportError)
├── DownloadError         a file could not be fetched, or its checksum is wrong
├── OutputError           a result could not be written
├── GalleryError          a face gallery is damaged, of another model, or in use
├── EnrolmentError        a picture shows no face that could be enrolled
└── UnknownNameError      no runtime, decoder, model or app of that name (also a KeyError)

A caller's mistake in Python (a float image, a negative size) is a ValueError or TypeError instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class EdgeCVError(Exception):
    """Base of all errors below: catch this to catch every one of them."""


class SpecError(EdgeCVError):
    """A model and its spec do not agree, or there is no spec."""


class ModelFileError(EdgeCVError):
    """A model file is missing, empty, truncated or of an unknown kind."""


class ImageError(EdgeCVError):
    """An image file cannot be read, or is larger than allowed."""


class SourceError(EdgeCVError):
    """A camera, stream or video cannot be opened or has stopped."""


class DataError(EdgeCVError):
    """A dataset folder or annotation file is not what it should be."""


class DeviceError(EdgeCVError):
    """No such device on this machine, or it cannot be used."""


class InferenceError(EdgeCVError):
    """A runtime refused a model, or failed while running it."""


class DeviceLostError(InferenceError):
    """A device stopped answering while it ran a model: unplugged, overheated or reset."""


class PackageMissingError(EdgeCVError, ImportError):
    """An optional package is not installed."""


class DownloadError(EdgeCVError):
    """A file could not be fetched, or what came has the wrong checksum."""


class OutputError(EdgeCVError):
    """A result could not be written."""


class GalleryError(EdgeCVError):
    """A face gallery is damaged, of another model or version, in use, or no gallery at all."""


class EnrolmentError(EdgeCVError):
    """A picture shows no face, or no face fit to know its owner by."""


class UnknownNameError(EdgeCVError, KeyError):
    """No runtime, decoder, model or app has that name."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error for an unknown `name`: the nearest known one first, else all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    return UnknownNameError(f"no {kind} {name!r}; {hint}")
