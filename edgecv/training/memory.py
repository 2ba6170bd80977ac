"""Memory that a training has used is kept for its next step.

TensorFlow takes and gives back hundreds of megabytes in every step. glibc hands large pieces back
to the kernel at once, which clears each page anew when it is taken again: 75,000 page faults a
second and a fifth of the processor's time in a training of an SSD on two cores. Settings of
`mallopt(3)`, numbered in glibc's malloc.h, keep the pages.
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8
SETTINGS = {
    MMAP_MAX: 0,  # no piece in a mapping of its own, which would go when it is freed
    ARENA_MAX: 1,  # the other arenas have no room for large pieces
    TRIM_THRESHOLD: 2**31 - 1,
    TOP_PAD: 2**28,
}


def keep_memory() -> bool:
    """Let this process keep what it frees; to be called before TensorFlow takes any.

    Returns:
        Whether the C library could be told: glibc can, others (musl, macOS) are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    taken = [mallopt(name, value) for name, value in SETTINGS.items()]
    return all(taken)
