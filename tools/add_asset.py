r"""Put a trained and quantized model into the package, with its card.

    python tools/add_asset.py int8/best_int8.tflite edgecv-detect \
        --about "..." --data "..." --limits "..." --command "..." --figure "person AP50 .318"

It writes edgecv/assets/NAME.tflite and NAME.md and the entry in assets.json. The file carries its
spec under that name, the licence, and the card of its training and quantization, with folders of
this machine left out. CPUs run it rewritten where that makes PReLUs faster. The figures of the card
come from the file, as `edgecv quantize` wrote them.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecv.converters.embed import embed
from edgecv.converters.leaky import make_leaky
from edgecv.quantize.card import verdict_lines

from edgecv.cache import write_atomic
from edgecv.modelfile import embedded_card, embedded_spec
from edgecv.tflitegraph import Graph
from edgecv.training.fit import without_folders
from edgecv.zoo.checksums import compute

ASSETS = Path(__file__).parent.parent / "edgecv" / "assets"
LICENSE = "Apache-2.0"
SOURCE = "trained by edgecv; see edgecv/assets/{name}.md"


def main() -> None:
    """Add one model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("name")
    for option in ("about", "data", "limits", "figure", "command"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--score", type=float, help="from which on results count, where measured")
    args = parser.parse_args()
    spec = embedded_spec(args.file)
    if spec is None:
        raise SystemExit(f"{args.file} carries no spec")
    card = without_folders(embedded_card(args.file))
    target = ASSETS / f"{args.name}.tflite"
    shutil.copy(args.file, target)
    spec = spec.with_changes(
        name=args.name, license=LICENSE, source=SOURCE.format(name=args.name), notes=args.limits
    )
    if args.score is not None:
        spec = spec.with_changes(score=args.score)
    embed(target, spec=spec, card=card)
    digest = compute(target)
    entry: dict[str, Any] = {
        "name": args.name, "figure": args.figure,
        "files": [
            {"file": target.name, "url": "", "sha256": digest, "bytes": target.stat().st_size}
        ],
        "spec": spec.to_dict(),
    }  # fmt: skip
    if make_leaky(Graph(target.read_bytes())):
        entry["int8_rewrite"] = True
    _list(entry)
    write_atomic(target.with_suffix(".md"), _card(args, card, digest, target.stat().st_size))
    print(f"{target}  {target.stat().st_size / 1e6:.2f} MB")


def _list(entry: Mapping[str, Any]) -> None:
    path = ASSETS / "assets.json"
    known = json.loads(path.read_text(encoding="utf-8"))["models"] if path.is_file() else []
    models = [model for model in known if model["name"] != entry["name"]] + [entry]
    models.sort(key=lambda model: str(model["name"]))
    write_atomic(path, json.dumps({"models": models}, indent=1) + "\n")


def _card(args: argparse.Namespace, card: Mapping[str, Any], digest: str, size: int) -> str:
    recipe = card.get("recipe", {})
    verdict = "\n".join(f"- {line}" for line in verdict_lines(card))
    figures = ", ".join(f"{name} {value:.4f}" for name, value in card.get("figures", {}).items())
    return f"""# {args.name}

{args.about}

- **Licence of the weights**: {LICENSE}
- **Data**: {args.data}
- **Made by**: `{args.command}`
- **Recipe**: `{recipe.get("name", "")}`, seed {recipe.get("run", {}).get("seed")}, \
{card.get("epoch")} epochs, {card.get("samples", {}).get("train")} pictures an epoch
- **File**: {args.name}.tflite, {size} bytes, SHA-256 {digest}

## Figures

Float, after the best epoch, which was chosen on these photographs: {figures}.

{verdict}

## Use and limits

{args.limits}
"""


if __name__ == "__main__":
    main()
