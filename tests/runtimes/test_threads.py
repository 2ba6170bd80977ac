from __future__ import annotations

import os

from edgecv.runtimes.threads import thread_count


def test_a_given_number_is_taken() -> None:
    assert thread_count(7) == 7


def test_without_one_it_is_the_usable_cores_four_at_most() -> None:
    assert thread_count(None) == min(4, len(os.sched_getaffinity(0)))


def test_a_process_bound_to_one_core_gets_one_thread() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert thread_count(None) == 1
    finally:
        os.sched_setaffinity(0, before)
