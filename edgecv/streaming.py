"""A live run as a for-loop: frames with their results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

from edgecv.failover import Failover
from edgecv.pipeline import Call, Pipeline
from edgecv.results import Result
from edgecv.sinks import Event, Output
from edgecv.slots import Closed, Slot
from edgecv.sources import Source
from edgecv.types import Frame

END_SECONDS = 2.1
"""How long leaving the loop waits for the run to end."""


class _Yield:
    """A sink that hands results to a for-loop."""

    buffer = 1

    def __init__(self, live: bool) -> None:
        self.slot: Slot[Output] = Slot(newest=live)

    def write(self, output: Output) -> None:
        with suppress(Closed):
            self.slot.put(output)

    def event(self, event: Event) -> None:
        """Leave events to the log."""

    def close(self) -> None:
        self.slot.close()


def stream(
    source: Source, model: Call | Failover[Any], *, live: bool | None = None
) -> Iterator[tuple[Frame, Result]]:
    """Yield each frame with its result, while the next ones are captured and inferred.

    With a live source a slow loop sees only the newest result; with a file it sees every one.

    Raises:
        EdgeCVError: The model or a file source failed.
    """
    is_live = bool(getattr(source, "live", False)) if live is None else live
    sink = _Yield(is_live)
    pipeline = Pipeline(source, model, [sink], live=is_live)
    runner = Thread(target=_swallow, args=(pipeline,), name="edgecv-run", daemon=True)
    runner.start()
    try:
        while True:
            try:
                output = sink.slot.get()
            except Closed:
                break
            yield output.frame, output.result
    finally:
        pipeline.stop()
        sink.slot.close(discard=True)
        runner.join(END_SECONDS)
    if pipeline.error is not None:
        raise pipeline.error


def _swallow(pipeline: Pipeline) -> None:
    """Run in a thread whose error the for-loop raises."""
    with suppress(BaseException):
        pipeline.run()
