"""`edgecv weights`: public weights taken into the networks that can be trained here."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecv import modelfile, zoo
from edgecv.datasets import spread
from edgecv.errors import ModelFileError, OutputError
from edgecv.image import read_image
from edgecv.model import complete_spec
from edgecv.sources import open_source
from edgecv.spec import ModelSpec
from edgecv.types import Image

from .common import UsageError, warn
from .inputs import picture_paths
from .options import checked, count

if TYPE_CHECKING:
    from edgecv.training.weights.take import Imported

EXAMPLE = """\
  edgecv weights import --from mobilenet_v1_0.25_224_fp32 --into mobilenet_v1 --alpha 0.25 \\
      --settle photos/ --verify photos/ --out start.keras"""

EPILOG = f"""\
Weights come from a .tflite, .onnx or OpenVINO .xml file of the same network. Layers are paired by
structure: what feeds them and the shape of their kernels; batch norm that is folded in the file
becomes one that changes nothing, integers become real numbers again, and the file's own scaling of
pictures goes into the first layer. What is written is a .keras file: start a training from it with
--set model.weights=FILE. Weights keep their licence; those imported are for this machine.

--settle measures on photographs what batch norm goes by in training. The outputs stay as they are;
without it only a training with batch norm frozen starts where the file left off.
--verify runs both on photographs and refuses the import where they do not agree: another best class
on more than 5 of 100 for integer weights, a difference above 0.001 for real ones.
--become makes of the file's network a sister that devices run faster, without squeeze-and-excite or
with another activation. It answers differently at first: a training (with the file as its teacher,
say) has to follow.

examples:
{EXAMPLE}
  edgecv weights import --from ssd_mobilenet_v1_coco_int8 --into mobilenet_v1 --alpha 0.75 \\
      --no-top --settle photos/ --out backbone.keras
  edgecv weights import --from mobilefacenet_fp32 --into mobilefacenet --set activation=relu6 \\
      --set separable=true --set padding=symmetric --out face.keras
  edgecv weights import --from face-reidentification-retail-0095_fp16 --into mobilefacenet \\
      --set squeeze=8 --set padding=symmetric --set activation=prelu_shared \\
      --become squeeze=0 --become padding=same --no-top --settle 'faces/**' --out face.keras
"""


class Action(NamedTuple):
    """One action of `edgecv weights`: what adds its options, and its help."""

    configure: Callable[[argparse.ArgumentParser], None]
    help: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which actions there are."""
    actions = "\n".join(f"  {name:10} {action.help}" for name, action in ACTIONS.items())
    parser.epilog = f"actions:\n{actions}\n\nexample:\n{EXAMPLE}"
    parser.add_argument("action", choices=sorted(ACTIONS), help="comes first")


def run(args: argparse.Namespace) -> int:
    """Take the weights of one file, and say what became of them."""
    if not hasattr(args, "source"):
        raise UsageError(f"the action comes first: edgecv weights {args.action} ...")
    return _import(args)


def configure_import(parser: argparse.ArgumentParser) -> None:
    """Add the options of `edgecv weights import`."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--from", dest="source", required=True, metavar="NAME|FILE", help="where weights are")
    add("--into", required=True, metavar="NETWORK", help="the network that takes them")
    add("--out", required=True, type=Path, metavar="FILE.keras", help="the file to write")
    add("--alpha", type=float, help="the network's width multiplier")
    add("--no-top", action="store_true", help="the backbone alone, for detectors and poses")
    add(
        "--set", dest="options", action="append", default=[], type=checked(_option),
        metavar="OPTION=VALUE", help="any other option of the network",
    )  # fmt: skip
    add(
        "--become", action="append", default=[], type=checked(_option), metavar="OPTION=VALUE",
        help="an option in which the network shall differ from the file's, a start for a training",
    )  # fmt: skip
    add("--settle", metavar="PHOTOS", help="a folder: measure what batch norm goes by")
    add("--verify", metavar="PHOTOS", help="a folder: compare the outputs with the file's")
    add(
        "--limit", type=checked(count("pictures")), default=100, metavar="N",
        help="photographs of each folder, evenly spread (default: 100)",
    )  # fmt: skip
    add("--force", action="store_true", help="replace a file that is there")


class _Source(NamedTuple):
    path: Path
    spec: ModelSpec


def _import(args: argparse.Namespace) -> int:
    if args.out.suffix != ".keras":
        raise UsageError(f"--out is a file that ends in .keras, got {args.out}")
    if args.out.exists() and not args.force:
        raise OutputError(f"{args.out} is there already: --force replaces it")
    if args.become and (args.verify or not args.settle):
        raise UsageError("--become wants --settle PHOTOS, and no --verify: outputs change")
    source = _source(args.source)
    settling, verifying = _pictures(args.settle, args.limit), _pictures(args.verify, args.limit)
    made = _imported(source, args, settling)
    print(f"{len(made.pairs)} layers of {source.path.name} are in {made.model.name} now")
    if made.left_out:
        print(f"{len(made.left_out)} layers of the file are left out")
    if made.differences:
        more = f" (and {len(made.differences) - 1} more like it)" if made.differences[1:] else ""
        warn(f"outputs will differ: {made.differences[0]}{more}")
    parity = _verified(source, made, verifying) if verifying else ""
    _write(source, made, args.out, parity)
    return 0


def _source(name: str) -> _Source:
    if name in zoo.names():
        path, found = zoo.fetch(name), zoo.spec(name)
    elif Path(name).suffix in modelfile.SUFFIXES:
        path, found = Path(name), None
    else:
        zoo.entry(name)  # raises, and names the nearest
    modelfile.check(path)
    if path.suffix == ".keras":
        raise ModelFileError(f"{path.name} is a Keras file already: train from it as it is")
    return _Source(path, complete_spec(path, found, None))


def _pictures(folder: str | None, limit: int) -> list[Image]:
    if folder is None:
        return []
    paths = picture_paths(open_source(folder))
    if not paths:
        raise UsageError(f"{folder} is no folder of pictures")
    return [read_image(path) for path in spread(paths, limit)]


def _imported(source: _Source, args: argparse.Namespace, settling: list[Image]) -> Imported:
    from edgecv.training.weights.take import import_weights

    options: dict[str, Any] = dict(args.options)
    if args.alpha is not None:
        options["alpha"] = args.alpha
    if args.no_top:
        options["include_top"] = False
    try:
        return import_weights(
            source.path, source.spec, args.into, options=options, images=settling,
            become=dict(args.become),
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise UsageError(f"{args.into}: {error}") from error


def _verified(source: _Source, made: Imported, images: list[Image]) -> str:
    from edgecv.training.weights.verify import compare

    parity = compare(source.path, source.spec, made, images)
    print(parity)
    if not parity.holds:
        raise ModelFileError(
            f"{source.path.name} is not quite {made.model.name}: {parity}; nothing was written "
            "(without --verify it is)"
        )
    return str(parity)


def _write(source: _Source, made: Imported, out: Path, parity: str) -> None:
    from edgecv.training.kerasfile import save_model

    card: Mapping[str, Any] = {
        "imported_from": source.spec.name,
        "file": source.path.name,
        "sha256": hashlib.sha256(source.path.read_bytes()).hexdigest(),
        "source": source.spec.source,
        "license": source.spec.license,
        "layers": {pair.target.layer.name: pair.source.name for pair in made.pairs},
        "parity": parity or "not verified",
    }
    save_model(made.model, made.spec, out, card)
    print(f"{out}  {out.stat().st_size / 1e6:.1f} MB" + ("" if parity else ", not verified"))


def _option(text: str) -> tuple[str, Any]:
    """Read OPTION=VALUE, the value as JSON where it is that, else as a word."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(f"wanted OPTION=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


ACTIONS = {
    "import": Action(configure_import, "take the weights of a model file into a network"),
}
