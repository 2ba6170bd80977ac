"""Imports packages in processes of their own, where they may fail, abort or hang."""

from __future__ import annotations

import json
import subprocess
import sys

from .facts import Import

TIMEOUT = 30.0
"""Seconds: a Raspberry Pi Zero reads OpenCV from a slow card for many of them."""

OPENCV = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import cv2
told = cv2.getBuildInformation().splitlines()
gui = [line.split(":")[1].strip() for line in told if line.strip().startswith("GUI:")]
print(json.dumps({"version": cv2.__version__, "gui": (gui or [""])[0]}))
"""

ANY = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
__import__(sys.argv[2])
print("{}")
"""


def opencv() -> Import:
    """Return what comes of importing cv2, and what draws its windows."""
    return _probe(OPENCV)


def try_import(package: str) -> Import:
    """Return what comes of importing a package."""
    return _probe(ANY, package)


def _probe(code: str, *words: str) -> Import:
    """Run code in a Python that finds packages where this one does."""
    command = [sys.executable, "-c", code, json.dumps(sys.path), *words]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except OSError:
        return Import(tried=False)
    except subprocess.TimeoutExpired:
        return Import(tried=True, error=f"importing it took more than {TIMEOUT:.0f} seconds")
    if done.returncode:
        return Import(tried=True, error=_last_line(done.stderr, done.returncode))
    return _answer(done.stdout)


def _answer(stdout: str) -> Import:
    """Return what the code wrote on its last line, if the import let it come so far."""
    try:
        told = json.loads(stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return Import(tried=True, error="importing it ended the process without an error")
    return Import(tried=True, version=told.get("version", ""), gui=told.get("gui", ""))


def _last_line(stderr: str, code: int) -> str:
    if code < 0:
        return f"importing it ended the process by signal {-code}"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"importing it ended with exit code {code}"
