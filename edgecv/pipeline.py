"""A live run: capture, inference and output side by side, and never an old frame shown as new."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread
from time import monotonic, perf_counter
from typing import Any, Protocol

from edgecv.errors import EdgeCVError, ImageError, InferenceError
from edgecv.failover import Failover
from edgecv.image import Placement
from edgecv.model import Model
from edgecv.results import Latency, Result, RunInfo
from edgecv.sinks import Event, Output, Overlay, Sink
from edgecv.sinks.thread import SinkThread
from edgecv.slots import Closed, Slot
from edgecv.sources import Source
from edgecv.stats import Stats
from edgecv.types import Array, Frame, Image

log = logging.getLogger(__name__)

LEAST_DEADLINE = 1.2
"""Seconds after which an inference counts as hung, where there is another device to go to."""
SLOWER = 20.0
"""It never counts as hung before it took this many times the usual."""
RETRY_SECONDS = (0.1, 5.0)
"""A lost live source is tried again after the first, doubling up to the second."""
JOIN_SECONDS = 0.5
"""How long the end of a run waits for threads that are stuck in a driver."""
FINISH_SECONDS = 3.0
"""How long a run that was interrupted waits for sinks to finish what they wrote."""


class Call(Protocol):
    """Anything that turns a picture into a result: a `Model`, or several put together."""

    def __call__(self, image: Image) -> Result:
        """Return what is in a picture."""

    def close(self) -> None:
        """Give the device back."""


After = Callable[[Frame, Result], tuple[Result, dict[str, Any]]]


@dataclass
class _Job:
    """One frame on its way."""

    frame: Frame
    model: Call
    tensor: Array | None = None
    placement: Placement | None = None
    preprocess_ms: float = 0.0
    wait_ms: float = 0.0
    inference_ms: float = 0.0
    value: Any = None  # raw outputs of a Model, the result of anything else


class Pipeline:
    """One run of a model over a source, with its threads.

    Frames of a live source that no one has time for are dropped and counted; those of a file never
    are. Results of a live source that a sink has no time for are dropped for that sink alone.

    Args:
        source: Where frames come from.
        model: A model, or a `Failover` of models that goes to its next device when one is lost.
        sinks: Where results go.
        live: Whether only the newest frame counts; None for what the source says.
        after: Called with each frame and its result, in order: tracking, counting. It returns the
            result to give out, and JSON values that go with it.
        overlay: Draws what `after` added on pictures that have the result on them.
        max_frames: Stop after this many results; 0 for no limit.

    Attributes:
        stats: The run's figures so far.
        failed: The sinks that failed, by the names of their classes.
        error: What ended the run, which `run` raises; None where nothing went wrong.
    """

    def __init__(
        self,
        source: Source,
        model: Call | Failover[Any],
        sinks: Sequence[Sink] = (),
        *,
        live: bool | None = None,
        after: After | None = None,
        overlay: Overlay | None = None,
        max_frames: int = 0,
    ) -> None:
        self._source, self._after, self._max_frames = source, after, max_frames
        self._overlay = overlay
        self._live = bool(getattr(source, "live", False)) if live is None else live
        self._failover = model if isinstance(model, Failover) else None
        self._model: Call | None = None if isinstance(model, Failover) else model
        self.stats = Stats()
        self.failed: list[str] = []
        self._frames: Slot[_Job] = Slot(newest=self._live)
        self._done: Slot[_Job] = Slot(newest=self._live)
        self._sinks = [SinkThread(sink, self._live, self._sink_ended) for sink in sinks]
        self._ended = Flag()
        self.error: BaseException | None = None
        self._worker = 0
        self._busy_since = math.inf

    def run(self, tick: Callable[[], None] | None = None) -> Stats:
        """Run until the source ends, `stop` is called or a sink is closed by its user.

        Args:
            tick: Called ten times a second, by the thread that called this.

        Raises:
            EdgeCVError: The model failed and there was no other device, or all sinks failed, or
                nobody reads standard output any more.
        """
        self.start()
        patience: float | None = FINISH_SECONDS
        try:
            while not self._ended.wait(0.1):
                self._watch()
                if tick is not None:
                    tick()
            patience = None
        finally:
            self.close(patience)
        if self.error is not None:
            raise self.error
        return self.stats

    def start(self) -> None:
        """Start all threads."""
        for sink in self._sinks:
            sink.start()
        self._threads = [
            _thread("edgecv-capture", self._guard, self._capture),
            _thread("edgecv-output", self._guard, self._output),
        ]
        self._start_worker()

    def stop(self) -> None:
        """End the run soon; what was captured and not yet seen by the model is left out."""
        self._frames.close(discard=True)
        self._done.close(discard=self._live)

    def close(self, patience: float | None = FINISH_SECONDS) -> None:
        """End the run, finish the sinks and give the source back.

        Args:
            patience: The most seconds to wait for sinks; None for as long as it takes.
        """
        self.stop()
        self._source.close()
        _join(self._threads, JOIN_SECONDS)
        for sink in self._sinks:
            sink.slot.close()
        _join([sink.thread for sink in self._sinks], patience)
        for sink in self._sinks:
            self.stats.sink_dropped[sink.name] = sink.slot.dropped

    def emit(self, kind: str, message: str, **data: Any) -> None:
        """Tell all sinks of an event, and the log where something was lost or is back."""
        event = Event(kind, message, time.time(), data)
        self.stats.add_event(kind, message)
        trouble = kind.endswith(("_lost", "_back", "_failed"))
        log.log(logging.WARNING if trouble else logging.INFO, "%s", message)
        for sink in self._sinks:
            sink.give(event)

    def _pass_over(self, message: str) -> None:
        """Count and log a frame that there is no result of: sinks hear of results alone."""
        self.stats.errors += 1
        self.stats.add_event("frame_lost", message)
        log.warning("%s", message)

    # -- the threads ---------------------------------------------------------------------------

    def _guard(self, loop: Callable[[], None]) -> None:
        """Run a thread's loop; an error ends the run and is raised where it was started."""
        try:
            loop()
        except Closed:
            pass
        except BaseException as error:  # a thread has no caller: `run` raises it
            self.error = self.error or error
            self.stop()
            self._ended.set()

    def _capture(self) -> None:
        retry, lost = RETRY_SECONDS[0], False
        while True:
            try:
                frame = next(self._source)
            except StopIteration:
                break
            except EdgeCVError as error:
                if not self._live:
                    self._pass_over(str(error))
                    continue
                self.stats.errors += 1
                if not lost:
                    self.emit("source_lost", str(error))
                lost = True
                if self._ended.wait(retry):
                    return
                retry = min(2 * retry, RETRY_SECONDS[1])
                continue
            if lost:
                self.emit("source_back", f"{frame.source or 'the source'} is back")
                retry, lost = RETRY_SECONDS[0], False
            self.stats.captured += 1
            self._frames.put(self._prepared(frame, self._current()))
            self.stats.dropped = self._frames.dropped + self._done.dropped
        self._frames.close()

    def _prepared(self, frame: Frame, model: Call) -> _Job:
        job = _Job(frame, model)
        if isinstance(model, Model):
            start = perf_counter()
            job.tensor, job.placement = model.preprocess(frame.image)
            job.preprocess_ms = (perf_counter() - start) * 1e3
        return job

    def _start_worker(self) -> None:
        self._worker += 1
        number = self._worker
        self._threads.append(
            _thread("edgecv-inference", self._guard, lambda: self._infer_all(number))
        )

    def _infer_all(self, number: int) -> None:
        """Infer frame after frame, until the frames end or another worker has taken over."""
        while number == self._worker:
            try:
                job = self._frames.get()
            except Closed:
                self._done.close()
                return
            while number == self._worker and not self._inferred(job, number):
                pass  # the model failed and the next device has taken its place

    def _inferred(self, job: _Job, number: int) -> bool:
        model = self._current()
        if job.model is not model:
            job = self._prepared(job.frame, model)
        start = self._busy_since = monotonic()
        try:
            if isinstance(model, Model) and job.tensor is not None:
                job.value = model.infer(job.tensor)
            else:
                job.value = model(job.frame.image)
        except ImageError as error:  # what is wanted is not in the picture
            self._pass_over(f"{job.frame.source}: {error}")
            return True
        except InferenceError as error:
            if self._failover is None:
                raise
            self._failover.lose(model, str(error))
            return False
        finally:
            if number == self._worker:
                self._busy_since = math.inf
        if number == self._worker:  # else this call hung, and the frame is long out of date
            job.inference_ms = (monotonic() - start) * 1e3
            job.wait_ms = (start - job.frame.time) * 1e3
            self._done.put(job)
        return True

    def _output(self) -> None:
        while True:
            try:
                job = self._done.get()
            except Closed:
                break
            self._give_out(job)
            if self._max_frames and self.stats.results >= self._max_frames:
                break
        self.stop()
        self._ended.set()

    def _give_out(self, job: _Job) -> None:
        result, times = _decoded(job)
        result, extra = self._after(job.frame, result) if self._after else (result, {})
        now = monotonic()
        self.stats.add_result(
            {
                "wait": max(job.wait_ms, 0.0),
                "preprocess": times.preprocess,
                "inference": times.inference,
                "decode": times.decode,
                "capture_to_result": (now - job.frame.time) * 1e3,
            },
            now,
        )
        if result.run is not None:
            self.stats.device, self.stats.runtime = result.run.device, result.run.runtime
        for sink in self._sinks:
            sink.give(Output(job.frame, result, self.stats, extra, self._overlay))

    # -- what the starting thread looks after --------------------------------------------------

    def _current(self) -> Call:
        if self._failover is not None:
            model: Call = self._failover.current
            return model
        if self._model is None:
            raise TypeError("the pipeline has no model")
        return self._model

    def _watch(self) -> None:
        """Give up a device that hangs, and look for one that has come back."""
        if self._failover is None:
            return
        usual = self.stats.stages["inference"].percentile(50) / 1e3
        deadline = max(LEAST_DEADLINE, SLOWER * (0.0 if math.isnan(usual) else usual))
        if self._failover.has_next and monotonic() - self._busy_since > deadline:
            self._busy_since = math.inf
            self._failover.lose(self._failover.current, f"no answer within {deadline:.1f} s")
            self._start_worker()
            return
        self._failover.probe()

    def _sink_ended(self, sink: SinkThread, error: EdgeCVError | None) -> None:
        """End the run when its user closed a sink; go on without one that failed, if others work.

        Where nobody reads standard output any more, nobody wants the rest.
        """
        if error is not None:
            self.stats.errors += 1
            self.failed.append(sink.name)
            unread = isinstance(error.__cause__, BrokenPipeError)
            if not unread and len(self.failed) < len(self._sinks):
                self.emit("sink_failed", f"{error}; the run goes on without it")
                return
            self.error = self.error or error
        self.stop()
        self._ended.set()


def _decoded(job: _Job) -> tuple[Result, Latency]:
    """Return what was found, and how long each stage took, as far as the model says."""
    model = job.model
    if not isinstance(model, Model) or job.placement is None:
        made: Result = job.value
        unknown = Latency(0.0, job.inference_ms, 0.0, job.inference_ms)
        return made, unknown if made.run is None else made.run.latency_ms
    start = perf_counter()
    result = model.decode(job.value, job.placement)
    decode_ms = (perf_counter() - start) * 1e3
    stages = (job.preprocess_ms, job.inference_ms, decode_ms)
    times = Latency(*stages, sum(stages))
    run = RunInfo(model.spec.name, model.runtime, model.device, times, model.fallback)
    return result.with_run(run), times


def _thread(name: str, function: Callable[..., None], *arguments: Any) -> Thread:
    thread = Thread(target=function, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def _join(threads: Sequence[Thread], seconds: float | None) -> None:
    """Wait for all threads together, for so long at most."""
    deadline = None if seconds is None else monotonic() + seconds
    for thread in threads:
        thread.join(None if deadline is None else max(0.0, deadline - monotonic()))
