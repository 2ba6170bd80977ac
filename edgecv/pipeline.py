"""A live run: capture, inference and output side by side, and never an old frame shown as new."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread
from time import monotonic, perf_counter
from typing import Any, Protocol

from edgecv.errors import EdgeCVError, InferenceError
from edgecv.failover import Failover
from edgecv.image import Placement
from edgecv.model import Model
from edgecv.results import Latency, Result, RunInfo
from edgecv.sinks import Event, Output, Sink
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
JOIN_SECONDS = 0.7
"""How long the end of a run waits for a thread that is stuck in a driver."""


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
        max_frames: Stop after this many results; 0 for no limit.

    Attributes:
        stats: The run's figures so far.
    """

    def __init__(
        self,
        source: Source,
        model: Call | Failover[Any],
        sinks: Sequence[Sink] = (),
        *,
        live: bool | None = None,
        after: After | None = None,
        max_frames: int = 0,
    ) -> None:
        self._source, self._after, self._max_frames = source, after, max_frames
        self._live = bool(getattr(source, "live", False)) if live is None else live
        self._failover = model if isinstance(model, Failover) else None
        self._model: Call | None = None if isinstance(model, Failover) else model
        self.stats = Stats()
        self._frames: Slot[_Job] = Slot(newest=self._live)
        self._done: Slot[_Job] = Slot(newest=self._live)
        self._sinks = [_SinkThread(sink, self._live, self._sink_ended) for sink in sinks]
        self._ended = Flag()
        self._error: BaseException | None = None
        self._worker = 0
        self._busy_since = math.inf

    def run(self) -> Stats:
        """Run until the source ends, `stop` is called or a sink is closed by its user.

        Raises:
            EdgeCVError: The model failed and there was no other device, or a file source failed.
        """
        self.start()
        try:
            while not self._ended.wait(0.1):
                self._watch()
        finally:
            self.close()
        if self._error is not None:
            raise self._error
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

    def close(self) -> None:
        """End the run, finish the sinks and give the source back."""
        self.stop()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        for sink in self._sinks:
            sink.finish()
            self.stats.sink_dropped[sink.name] = sink.slot.dropped
        self._source.close()

    def emit(self, kind: str, message: str, **data: Any) -> None:
        """Tell all sinks of an event."""
        event = Event(kind, message, time.time(), data)
        self.stats.events.append(f"{kind}: {message}")
        del self.stats.events[:-100]
        for sink in self._sinks:
            sink.event(event)

    # -- the threads ---------------------------------------------------------------------------

    def _guard(self, loop: Callable[[], None]) -> None:
        """Run a thread's loop; an error ends the run and is raised where it was started."""
        try:
            loop()
        except Closed:
            pass
        except BaseException as error:  # a thread has no caller: `run` raises it
            self._error = self._error or error
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
                self.stats.errors += 1
                if not lost:
                    self.emit("source_lost" if self._live else "frame_lost", str(error))
                if self._live:
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
        start = perf_counter()
        model = job.model
        if isinstance(model, Model) and job.placement is not None:
            result: Result = model.decode(job.value, job.placement)
        else:
            result = job.value
        decode_ms = (perf_counter() - start) * 1e3
        if isinstance(model, Model):
            times = (job.preprocess_ms, job.inference_ms, decode_ms)
            latency = Latency(*times, sum(times))
            run = RunInfo(model.spec.name, model.runtime, model.device, latency, model.fallback)
            result = result.with_run(run)
        result, extra = self._after(job.frame, result) if self._after else (result, {})
        now = monotonic()
        self.stats.add_result(
            {
                "wait": max(job.wait_ms, 0.0),
                "preprocess": job.preprocess_ms,
                "inference": job.inference_ms,
                "decode": decode_ms,
                "capture_to_result": (now - job.frame.time) * 1e3,
            },
            now,
        )
        if result.run is not None:
            self.stats.device, self.stats.runtime = result.run.device, result.run.runtime
        for sink in self._sinks:
            sink.give(Output(job.frame, result, self.stats, extra))

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

    def _sink_ended(self, sink: _SinkThread, error: EdgeCVError | None) -> None:
        """End the run when its user closed a sink; report one that failed."""
        if error is None:
            self.stop()
            self._ended.set()
            return
        self.stats.errors += 1
        self.emit("sink_failed", f"{sink.name}: {error}")
        log.error("%s: %s", sink.name, error)


class _SinkThread:
    """A sink and the thread that alone calls it."""

    def __init__(
        self, sink: Sink, live: bool, ended: Callable[[_SinkThread, EdgeCVError | None], None]
    ) -> None:
        self.name = type(sink).__name__
        self._sink, self._ended = sink, ended
        self.slot: Slot[Output | Event] = Slot(sink.buffer if live else 4, newest=live)
        self._thread: Thread | None = None

    def start(self) -> None:
        self._thread = _thread(f"edgecv-{self.name}", self._loop)

    def give(self, output: Output) -> None:
        with suppress(Closed):
            self.slot.put(output)

    def event(self, event: Event) -> None:
        with suppress(Closed):
            self.slot.put(event)

    def finish(self) -> None:
        """Let the sink take what is waiting, and close it."""
        self.slot.close()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

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


def _thread(name: str, function: Callable[..., None], *arguments: Any) -> Thread:
    thread = Thread(target=function, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


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
        runner.join(3 * JOIN_SECONDS)
    if pipeline._error is not None:
        raise pipeline._error


def _swallow(pipeline: Pipeline) -> None:
    """Run in a thread whose error the for-loop raises."""
    with suppress(BaseException):
        pipeline.run()
