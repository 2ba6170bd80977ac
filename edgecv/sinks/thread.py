"""A sink in a live run: its thread, and what waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from edgecv.errors import EdgeCVError
from edgecv.sinks import Event, Output, Sink
from edgecv.slots import Closed, Slot

FILE_BUFFER = 4
"""Results of a file that may wait for a sink, before the others wait as well."""


class SinkThread:
    """A sink and the thread that alone calls it, which ends when `slot` is closed.

    Args:
        sink: The sink.
        live: Whether the oldest result is dropped where too many wait.
        ended: Called when the sink was closed by its user, or failed with an error.

    Attributes:
        name: The sink's kind, for people.
        slot: What waits for it.
        thread: The thread.
    """

    def __init__(
        self, sink: Sink, live: bool, ended: Callable[[SinkThread, EdgeCVError | None], None]
    ) -> None:
        self.name = type(sink).__name__
        self._sink, self._ended = sink, ended
        self.slot: Slot[Output | Event] = Slot(sink.buffer if live else FILE_BUFFER, newest=live)
        self.thread = Thread(target=self._loop, name=f"edgecv-{self.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def give(self, value: Output | Event) -> None:
        """Leave a result, or an event, which is never dropped; one that failed takes no more."""
        with suppress(Closed):
            self.slot.put(value, keep=isinstance(value, Event))

    def _loop(self) -> None:
        error: EdgeCVError | None = None
        try:
            while True:
                value = self.slot.get()
                if isinstance(value, Event):
                    self._sink.event(value)
                else:
                    self._sink.write(value)
        except Closed:
            pass
        except StopIteration:
            self._ended(self, None)
        except EdgeCVError as failure:
            error = failure
        self.slot.close(discard=True)
        try:
            self._sink.close()
        except EdgeCVError as failure:
            error = error or failure
        if error is not None:
            self._ended(self, error)
