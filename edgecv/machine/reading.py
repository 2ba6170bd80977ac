"""Reading small files and the output of small commands, where either may be absent."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

Run = Callable[[Sequence[str]], str]
"""Runs a command and returns what it wrote to stdout; "" where it is absent, fails or hangs."""

TIMEOUT = 2.0
"""Seconds a command may take: those asked here answer within hundredths of one."""


def run_command(words: Sequence[str]) -> str:
    """Return what a command writes to stdout; "" where it is absent, fails or hangs."""
    try:
        done = subprocess.run(
            list(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def text(file: Path) -> str:
    """Return a small file's text without space or NUL bytes at its ends; "" if unreadable."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n")
    except OSError:  # many of these files belong to one board, driver or user alone
        return ""


def number(file: Path) -> float | None:
    """Return the number that a file of sysfs holds; None where there is none."""
    try:
        return float(text(file))
    except ValueError:
        return None


def names(folder: Path, pattern: str) -> list[Path]:
    """Return what is in a folder, sorted by name; nothing where the folder is not there."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []
