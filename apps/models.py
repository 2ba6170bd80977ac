"""`edgecv models`: the models that go by a name, public ones and those that ship with us."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from edgecv import zoo
from edgecv.errors import DownloadError
from edgecv.rewritten import SWITCH, int8_form
from edgecv.spec import TASKS
from edgecv.zoo.store import is_here, local_path

from .common import UsageError, warn
from .table import columns

EPILOG = """\
examples:
  edgecv models                                     what there is
  edgecv models list --task pose
  edgecv models info movenet_lightning_int8         its files, licence and spec
  edgecv models pull yunet_n_320 mobilefacenet_int8 fetch them now, to be used without a network
  edgecv models pull --all
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.set_defaults(action=list_models, task=None)
    actions = parser.add_subparsers(metavar="ACTION", title="actions (default: list)")
    listing = actions.add_parser("list", help="list all models")
    listing.add_argument("--task", choices=TASKS, help="list those for one task")
    listing.set_defaults(action=list_models)
    info = actions.add_parser("info", help="show all that is known of a model")
    info.add_argument("name", metavar="NAME")
    info.set_defaults(action=show_model)
    pull = actions.add_parser("pull", help="fetch models, or check those that are here")
    pull.add_argument("names", nargs="*", metavar="NAME")
    pull.add_argument("--all", action="store_true", help="all of them")
    pull.set_defaults(action=pull_models)


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    action: Callable[[argparse.Namespace], int] = args.action
    return action(args)


def list_models(args: argparse.Namespace) -> int:
    """Print a table of models."""
    rows = []
    for name in zoo.names(args.task):
        entry = zoo.entry(name)
        here = "yes" if all(is_here(file) for file in entry.files) else "no"
        here = "ships with edgecv" if entry.bundled else here
        license_ = str(entry.spec.get("license", ""))
        size = f"{entry.size / 1e6:.1f}"
        rows.append((name, entry.task, license_, size, entry.figure or "-", here))
    print(columns([("name", "task", "licence", "MB", "measured", "here"), *rows], right=[3]))
    return 0


def show_model(args: argparse.Namespace) -> int:
    """Print one model's files and spec."""
    entry = zoo.entry(args.name)
    lines = [f"{entry.name}: {entry.task}, {entry.spec.get('license', 'licence unknown')}"]
    for file in entry.files:
        where = str(local_path(file)) if is_here(file) else "not here"
        origin = "this package" if file.bundled else file.url
        lines += [f"\n{file.file}  {file.bytes} bytes  {where}", f"  from   {origin}"]
        lines.append(f"  sha256 {file.sha256}")
    if entry.figure:
        lines.append(f"\nmeasured by us: {entry.figure}")
    if entry.edgetpu_twin:
        lines.append(f"\ncompiled for the Edge TPU: {entry.edgetpu_twin}")
    if entry.int8_rewrite:
        lines.append(f"\nrewritten when a CPU first runs it, for speed ({SWITCH}=0 turns that off)")
    print("\n".join([*lines, "\nspec", json.dumps(entry.spec, indent=1)]))
    return 0


def pull_models(args: argparse.Namespace) -> int:
    """Fetch models; go on behind one that could not be had."""
    if bool(args.names) == args.all:
        raise UsageError("give the names of models to pull, or --all")
    wanted = [zoo.entry(name).name for name in (zoo.names() if args.all else args.names)]
    failed = 0
    for name in wanted:
        try:
            path = zoo.fetch(name)
            form = int8_form(path)
            more = f" (int8 for CPUs: {form})" if form else ""
            print(f"{name}: {path}{more}", flush=True)
        except DownloadError as error:
            failed += 1
            warn(str(error))
    return 1 if failed else 0
