"""Whether pip finds aarch64 wheels for every extra and all that it needs, by Python.

usage: resolve.py WHEEL     (edgecv's own, built)

Nothing is built from source, as on a device without compilers, and nothing is installed. The
largest extras are asked for first: what is a part of one that resolves, resolves as well. pip reads
conditions like `platform_machine == "x86_64"` as the machine that it runs on; what they mean on
the device is worked out here, and what pip left out by mistake is asked for by name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

GLIBC = {"3.11": 36, "3.13": 41}
"""Pythons, and the minor version of glibc 2 that they come with: Debian 12 and 13."""

OLDEST_GLIBC = 17
"""manylinux_2_17, which is manylinux2014: the first with aarch64."""

WITHOUT_WHEELS: dict[tuple[str, str], str] = {}
"""(extra, Python) that cannot be had on aarch64, and why. README.md says the same."""

Package = dict[str, Any]
"""What pip reports of one package: its metadata, and where its wheel comes from."""


class Resolved(NamedTuple):
    """An extra that pip finds a way for: what is needed directly, and every package by name."""

    extra: str
    direct: frozenset[str]
    packages: dict[str, Package]


def ask(requirements: Iterable[str], python: str) -> dict[str, Package]:
    """Return what pip would install on an aarch64 Debian, by name.

    Raises:
        LookupError: It finds no way.
    """
    systems = [f"manylinux_2_{minor}" for minor in range(GLIBC[python], OLDEST_GLIBC - 1, -1)]
    line = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
    line += ["--only-binary=:all:", f"--python-version={python}"]
    line += [f"--platform={system}_aarch64" for system in [*systems, "manylinux2014"]]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        line += [f"--target={folder}/target", f"--report={report}", *requirements]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            problems = [text for text in done.stderr.splitlines() if text.startswith("ERROR")]
            raise LookupError("; ".join(problems) or done.stderr.strip())
        packages = json.loads(report.read_text("utf-8"))["install"]
    return {canonicalize_name(package["metadata"]["name"]): package for package in packages}


def needs(package: Package, extra: str, python: str) -> Iterator[Requirement]:
    """Yield what a package, or one of its extras, needs on the device."""
    there = {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
    there |= {"platform_machine": "aarch64", "sys_platform": "linux", "platform_system": "Linux"}
    environment: dict[str, Any] = {**default_environment(), **there}
    for text in package["metadata"].get("requires_dist", ()):
        asked = Requirement(text)
        if asked.marker is None or asked.marker.evaluate(environment):
            yield asked


def walk(packages: dict[str, Package], extra: str, python: str) -> tuple[set[str], set[str]]:
    """Return the packages that an extra of edgecv needs on the device, and what is not there.

    Returns:
        Names, and requirements such as "numpy>=1.24".
    """
    seen: set[tuple[str, str]] = set()
    absent: set[str] = set()
    waiting = [("edgecv", ""), ("edgecv", extra)]
    while waiting:
        name, part = waiting.pop()
        seen.add((name, part))
        for asked in needs(packages[name], part, python):
            needed = canonicalize_name(asked.name)
            if needed not in packages:
                absent.add(f"{asked.name}{asked.specifier}")
                continue
            waiting += [
                (needed, each) for each in ("", *asked.extras) if (needed, each) not in seen
            ]
    return {name for name, _ in seen}, absent


def resolve(wheel: Path, extra: str, python: str) -> dict[str, Package]:
    """Return the packages of an extra.

    Raises:
        LookupError: pip finds no way.
    """
    requirements = [f"{wheel}[{extra}]"]
    packages = ask(requirements, python)
    while absent := walk(packages, extra, python)[1]:
        requirements += sorted(absent)
        packages = ask(requirements, python)
    return packages


def direct(edgecv: Package, extra: str, python: str) -> frozenset[str]:
    """Return what an extra needs directly, with the extras that it is made of taken apart."""
    found: set[str] = set()
    for asked in needs(edgecv, extra, python):
        if asked.name == "edgecv":
            found = found.union(*(direct(edgecv, part, python) for part in asked.extras))
        else:
            found.add(f"{asked.name}{asked.specifier}")
    return frozenset(found)


def said(extra: str, python: str, *, problem: str, yes: str) -> tuple[str, bool]:
    """Return what is said of an extra on a Python, and whether that is as it should be."""
    reason = WITHOUT_WHEELS.get((extra, python))
    if problem:
        return (f"no: {reason}", True) if reason else (f"NO: {problem}", False)
    if reason:
        return "yes, but WITHOUT_WHEELS says no: take it out there", False
    return f"yes: {yes}", True


def lines(wheel: Path, python: str) -> Iterator[tuple[str, bool]]:
    """Yield a line for each extra on a Python, and whether it is as it should be."""
    edgecv = ask([str(wheel)], python)["edgecv"]
    parts = {name: direct(edgecv, name, python) for name in edgecv["metadata"]["provides_extra"]}
    done: list[Resolved] = []
    for extra in sorted(parts, key=lambda name: -len(parts[name])):
        problem = yes = ""
        try:
            whole = next((each for each in done if parts[extra] <= each.direct), None)
            if whole is None:
                whole = Resolved(extra, parts[extra], resolve(wheel, extra, python))
                done.append(whole)
            names = walk(whole.packages, extra, python)[0]
            urls = [whole.packages[name]["download_info"]["url"] for name in names]
            built = sum(url.endswith("aarch64.whl") for url in urls)
            yes = f"{len(names) - 1} packages beside edgecv, {built} of them built for aarch64"
            yes += "" if whole.extra == extra else f" (a part of {whole.extra})"
        except LookupError as error:
            problem = str(error)
        text, good = said(extra, python, problem=problem, yes=yes)
        yield f"{python}  edgecv[{extra}]  {text}", good


def main(wheel: Path) -> int:
    """Print a line for each extra and Python; return 1 where one is not as it should be."""
    all_good = True
    for python in GLIBC:
        for text, good in lines(wheel, python):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            all_good &= good
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
