"""What every peer's process does: time calls on request. It needs nothing but Python."""

import json
import sys
from collections.abc import Callable
from time import perf_counter


def answer(call: Callable[[], object]) -> None:
    """Read numbers of calls, one a line, from standard input; write lists of milliseconds."""
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = perf_counter()
            call()
            times.append((perf_counter() - start) * 1e3)
        sys.stdout.write(json.dumps(times) + "\n")
        sys.stdout.flush()
