from __future__ import annotations

import os

import pytest
from edgecv.runtimes.threads import thread_count


def test_a_given_number_is_taken() -> None:
    assert thread_count(7) == 7


linux = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores"
)


@linux
def test_without_one_it_is_the_usable_cores_four_at_most() -> None:
    assert thread_count(None) == min(4, len(os.sched_getaffinity(0)))


@linux
def test_a_process_bound_to_one_core_gets_one_thread() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert thread_count(None) == 1
    finally:
        os.sched_setaffinity(0, before)
