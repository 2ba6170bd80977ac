"""What every command says on stderr; it needs nothing but the standard library."""

from __future__ import annotations

import logging
import sys

from edgecv.errors import EdgeCVError


class UsageError(EdgeCVError):
    """What the command line asks for makes no sense: exit code 2."""


def warn(text: str) -> None:
    """Say on stderr what went wrong, or what is good to know, and go on."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}edgecv: {text}", file=sys.stderr)


class LogToPeople(logging.Handler):
    """Shows what modules log as the command's own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line to stderr."""
        warn(" ".join(record.getMessage().split()))
