"""INT8 against FP32: how much faster and smaller the same network becomes, runtime by runtime.

    python -m benchmarks.int8_speedup

Networks have random weights, batch norm settled on photographs: speed does not depend on what was
learned. Every file is run from array to array on one thread, all of them in turns. Exits with 1
when a network is less than 2.7 (MobileNetV1), 2 (MobileNetV2) or 3 (SSD) times as fast in INT8 on
TFLite or OpenVINO, when its INT8 file is more than .30 of the FP32 one, or when the public uint8
SSD rewritten to int8 is less than 2.2 times as fast as it was published. The limits on speed are
for processors that multiply bytes and add the products in one instruction (VNNI on x86, dot
products on ARM); on others INT8 gains little, and only the size is held to its limit.

What it shows as well, without a limit: ONNX Runtime, and OpenVINO's bfloat16, its own default on
processors that have it, against which INT8 gains less.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.photos import photo
from benchmarks.timing import interleaved, p50, ratio
from edgecv import zoo
from edgecv.machine import machine
from edgecv.modelfile import size_of
from edgecv.rewritten import REWRITERS
from edgecv.session import open_session
from edgecv.types import Array

RUNTIMES = {"tflite": ".tflite", "openvino": ".xml", "onnx": ".onnx"}
LIMITED = ("tflite", "openvino")
LARGEST = 0.30
PICTURES = 16
BYTE_INSTRUCTIONS = {"avx512_vnni", "avx_vnni", "asimddp"}
"""As `edgecv.machine.FEATURES` names them."""
PUBLIC, PUBLIC_LEAST = "ssd_mobilenet_v1_coco_int8", 2.2


class Network(NamedTuple):
    """A network to be compared: what builds it, and how much faster INT8 has to be."""

    build: Callable[[], Any]
    least: float


def _classifier(name: str) -> Any:
    from edgecv import models

    return models.build(name, input_size=224, alpha=1.0, classes=1000)


def _ssd() -> Any:
    from edgecv import models
    from edgecv.models.ssd import ssd

    backbone = models.build("mobilenet_v1", input_size=320, alpha=1.0, include_top=False)
    anchors = {"layers": 5, "ratios": (1.0, 2.0, 0.5, 3.0, 0.333)}
    return ssd(backbone, classes=90, anchors=anchors, lite=False)


NETWORKS: Mapping[str, Network] = {
    "mobilenet_v1 224": Network(lambda: _classifier("mobilenet_v1"), 2.7),
    "mobilenet_v2 224": Network(lambda: _classifier("mobilenet_v2"), 2.0),
    "ssd_mobilenet_v1 320": Network(_ssd, 3.0),
}


def multiplies_bytes() -> bool:
    """Tell whether the processor has instructions for sums of products of bytes."""
    return bool(BYTE_INSTRUCTIONS & set(machine().cpu.features))


def pictures(side: int) -> list[Array]:
    """Return parts of a photograph as a network takes them: float32 (1, side, side, 3), -1..1."""
    rng, whole = np.random.default_rng(0), photo(512, 512)[..., ::-1]
    out: list[Array] = []
    for _ in range(PICTURES):
        cut = int(rng.integers(128, 512))
        y, x = rng.integers(0, 512 - cut, 2)
        part = cv2.resize(whole[y : y + cut, x : x + cut], (side, side))
        out.append((part[None] / 127.5 - 1).astype(np.float32))
    return out


def settle(model: Any, images: Sequence[Array]) -> None:
    """Let batch norm measure what it will see; random networks fade to nothing otherwise."""
    import keras

    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.5
    for _ in range(6):
        model(np.concatenate(images), training=True)


def files_of(network: Network, folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the FP32 and the INT8 file of a network for each runtime."""
    from edgecv.converters import CONVERTERS
    from edgecv.quantize import QUANTIZERS
    from edgecv.quantize.recipe import QuantRecipe

    model = network.build()
    images = pictures(model.input_shape[1])
    settle(model, images)
    source = folder / "network.keras"
    model.save(source)
    out = {}
    for name, suffix in RUNTIMES.items():
        whole, small = folder / f"fp32{suffix}", folder / f"int8{suffix}"
        CONVERTERS.load(f"keras>{name}")(source, whole, precision="fp32")
        QUANTIZERS.load(name)(whole, small, images, QuantRecipe(samples=PICTURES))
        out[name] = (whole, small)
    return out


def runs(file: Path, runtime: str, stack: ExitStack) -> Callable[[], object]:
    """Open a file on one thread; return what runs it once."""
    session = open_session(file, device="cpu", runtime=runtime, threads=1).session
    stack.callback(session.close)
    spec = session.inputs[0]
    values = photo(*(side or 1 for side in spec.shape[1:3]))[None]
    given = values.astype(np.float32) / 127.5 - 1 if spec.dtype.kind == "f" else values
    tensors = {spec.name: given.astype(spec.dtype)}
    return lambda: session.run(tensors)


def half_precision(file: Path) -> Callable[[], object]:
    """Return what runs an IR on one thread in OpenVINO's own choice of precision."""
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = ov.Core().compile_model(file, "CPU", settings)
    side = compiled.inputs[0].shape[1]
    given = photo(side, side)[None].astype(np.float32) / 127.5 - 1
    request = compiled.create_infer_request()
    return lambda: request.infer({0: given})


def compare(name: str, rounds: int) -> bool:
    """Print what INT8 does for a network; return whether all limits hold."""
    network, held = NETWORKS[name], True
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        files = files_of(network, Path(folder))
        ways: dict[str, Callable[[], object]] = {}
        for runtime, (whole, small) in files.items():
            ways[f"{runtime} fp32"] = runs(whole, runtime, stack)
            ways[f"{runtime} int8"] = runs(small, runtime, stack)
        ways["openvino own choice"] = half_precision(files["openvino"][0])
        times = interleaved(ways, rounds=rounds)
        for runtime, (whole, small) in files.items():
            least = network.least if runtime in LIMITED else 0.0
            gain = ratio(times, f"{runtime} fp32", f"{runtime} int8")
            part = size_of(small) / size_of(whole)
            print(
                f"{name:22} {runtime:9} {p50(times[f'{runtime} fp32']):7.2f} -> "
                f"{p50(times[f'{runtime} int8']):6.2f} ms  {gain:5.2f} x faster"
                f"{f' (at least {least})' if least else '':17}  {part:.2f} of the size"
            )
            held &= (gain >= least or not multiplies_bytes()) and part <= LARGEST
        gain = ratio(times, "openvino own choice", "openvino int8")
        print(
            f"{name:22} openvino's own choice of precision for FP32 files (bfloat16 where the "
            f"processor has it): {p50(times['openvino own choice']):.2f} ms; INT8 is {gain:.2f} x"
        )
    return held


def compare_rewritten(rounds: int) -> bool:
    """Print what rewriting does for the public SSD; return whether the limit holds."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        published, made = zoo.fetch(PUBLIC), Path(folder) / "int8.tflite"
        REWRITERS.load("tflite")(published, made, int8_inputs=True)
        ways = {
            "published": runs(published, "tflite", stack),
            "rewritten": runs(made, "tflite", stack),
        }
        times = interleaved(ways, rounds=rounds)
    gain = ratio(times, "published", "rewritten")
    print(
        f"{PUBLIC}, rewritten: {p50(times['published']):.2f} -> {p50(times['rewritten']):.2f} ms  "
        f"{gain:.2f} x faster (at least {PUBLIC_LEAST})"
    )
    return gain >= PUBLIC_LEAST or not multiplies_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Run all comparisons; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", choices=NETWORKS, help="one network")
    given = parser.parse_args(arguments)
    names = [given.only] if given.only else list(NETWORKS)
    if not multiplies_bytes():
        print("this processor has no instructions for sums of bytes: no limit is put on speed")
    held = [compare(name, given.rounds) for name in names]
    held.append(compare_rewritten(given.rounds))
    print("all within the limits" if all(held) else "A LIMIT WAS PASSED")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
