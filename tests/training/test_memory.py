from __future__ import annotations

import subprocess
import sys

CODE = """
import resource, sys
from edgecv.training.memory import keep_memory
if sys.argv[1] == "kept":
    print(keep_memory())
for turn in range(30):
    b"x" * 64_000_000
    if turn == 9:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, mode], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_memory_that_was_freed_is_taken_again_without_page_faults() -> None:
    told, kept = faults("kept")
    (plain,) = faults("plain")
    if told == "False":
        assert kept  # another C library than glibc: nothing changes
        return
    assert int(plain) > 100_000
    assert int(kept) < int(plain) / 20
