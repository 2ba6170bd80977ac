from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edgecv.errors import DeviceError, ImageError, InferenceError, OutputError
from edgecv.failover import Failover
from edgecv.model import Model
from edgecv.pipeline import Pipeline
from edgecv.results import Classes, Result
from edgecv.sinks import Event, Output
from edgecv.spec import ModelSpec
from edgecv.streaming import stream
from edgecv.testing import FakeSession
from edgecv.types import Frame, Image, Size

SPEC = ModelSpec("fake", "detection", "ssd_postprocess", labels=("cat", "dog"))
OUTPUTS = {
    "boxes": np.array([[[0.25, 0.5, 0.75, 1.0]]], np.float32),
    "classes": np.array([[1]], np.float32),
    "scores": np.array([[0.9]], np.float32),
    "count": np.array([1], np.float32),
}


class Camera:
    """Frames at a fixed rate by the clock, or as fast as they are wanted; some may be missing."""

    def __init__(
        self, count: int, *, fps: float = 0, live: bool = False, lost: set[int] = frozenset()
    ):
        self.live, self._count, self._fps, self._lost = live, count, fps, set(lost)
        self._start: float | None = None
        self._index = 0
        self.closed = False

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        index = self._index
        if index in self._lost:
            self._lost.remove(index)
            raise ImageError(f"frame {index} is missing")
        if index >= self._count:
            raise StopIteration
        self._index += 1
        now = time.monotonic()
        self._start = self._start or now
        if self._fps:
            time.sleep(max(0.0, self._start + index / self._fps - now))
        image = np.full((48, 64, 3), index % 256, np.uint8)
        return Frame(image, index, time.monotonic(), "camera")

    def close(self) -> None:
        self.closed = True


class Keep:
    """A sink that keeps what it gets, and may be slow, fail or be closed by its user."""

    def __init__(self, *, seconds: float = 0, fail_at: int = -1, close_at: int = -1) -> None:
        self.buffer = 1
        self.outputs: list[Output] = []
        self.events: list[Event] = []
        self.closed = False
        self._seconds, self._fail_at, self._close_at = seconds, fail_at, close_at

    def write(self, output: Output) -> None:
        if len(self.outputs) == self._fail_at:
            raise OutputError("the disk is full")
        if len(self.outputs) == self._close_at:
            raise StopIteration
        time.sleep(self._seconds)
        self.outputs.append(output)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True

    @property
    def indices(self) -> list[int]:
        return [output.frame.index for output in self.outputs]


def model(latency: float = 0, fail_after: int | None = None) -> Model:
    session = FakeSession(OUTPUTS, latency=latency, fail_after=fail_after)
    return Model(session, SPEC, runtime="fake", device="cpu")


def test_every_frame_of_a_file_reaches_every_sink_in_order() -> None:
    sinks = [Keep(), Keep(seconds=0.002)]
    source = Camera(60)
    stats = Pipeline(source, model(), sinks).run()
    assert sinks[0].indices == sinks[1].indices == list(range(60))
    assert (stats.captured, stats.results, stats.dropped) == (60, 60, 0)
    assert source.closed
    assert all(sink.closed for sink in sinks)
    result = sinks[0].outputs[0].result
    assert result.to_dict()["detections"][0]["label"] == "dog"
    assert result.run is not None
    assert result.run.model == "fake"


def test_a_slow_model_sees_only_the_newest_frames_of_a_camera() -> None:
    sink = Keep()
    stats = Pipeline(Camera(100, fps=200, live=True), model(latency=0.02), [sink]).run()
    assert stats.captured == 100
    assert stats.results + stats.dropped >= 99
    assert stats.dropped > 40
    ages = stats.stages["wait"]
    assert ages.percentile(90) < 20  # a queue would have made them wait half a second
    assert sink.indices == sorted(sink.indices)


def test_a_slow_sink_stalls_neither_the_model_nor_the_other_sinks() -> None:
    quick, slow = Keep(), Keep(seconds=0.1)
    stats = Pipeline(Camera(60, fps=120, live=True), model(), [quick, slow]).run()
    assert len(quick.outputs) > 40
    assert len(slow.outputs) < 15
    assert stats.sink_dropped["Keep"] > 0


def test_a_sink_that_fails_is_left_out_and_the_run_goes_on() -> None:
    broken, good = Keep(fail_at=5), Keep()
    pipeline = Pipeline(Camera(40), model(), [broken, good])
    stats = pipeline.run()
    assert len(good.outputs) == 40
    assert broken.closed
    assert stats.errors == 1
    assert [event.kind for event in good.events] == ["sink_failed"]
    assert "the disk is full" in good.events[0].message


def test_closing_a_window_ends_the_run() -> None:
    window, other = Keep(close_at=10), Keep()
    Pipeline(Camera(10_000, fps=500, live=True), model(), [window, other]).run()
    assert len(window.outputs) == 10
    assert other.closed


def test_the_run_ends_after_so_many_results() -> None:
    sink = Keep()
    assert Pipeline(Camera(1000), model(), [sink], max_frames=25).run().results == 25
    assert len(sink.outputs) == 25


def test_stop_ends_a_run_from_another_thread_within_a_second() -> None:
    sink = Keep()
    pipeline = Pipeline(Camera(10**6, fps=100, live=True), model(), [sink])
    threading.Timer(0.3, pipeline.stop).start()
    pipeline.run()
    assert sink.closed
    assert 0 < pipeline.stats.results < 100


def test_a_lost_camera_is_tried_again_and_told_of() -> None:
    sink = Keep()
    stats = Pipeline(Camera(30, fps=100, live=True, lost={10}), model(), [sink]).run()
    assert stats.captured == 30
    assert [event.kind for event in sink.events] == ["source_lost", "source_back"]


def test_a_damaged_picture_in_a_folder_is_passed_over() -> None:
    sink = Keep()
    stats = Pipeline(Camera(5, lost={2}), model(), [sink]).run()
    assert (stats.results, stats.errors) == (5, 1)


def test_a_failing_model_without_another_device_ends_the_run_with_its_error() -> None:
    sink = Keep()
    with pytest.raises(InferenceError, match="told to fail after 7"):
        Pipeline(Camera(100), model(fail_after=7), [sink]).run()
    assert sink.closed
    assert len(sink.outputs) == 7


def test_an_error_in_an_app_is_not_swallowed() -> None:
    def after(frame: Frame, result: Result) -> tuple[Result, dict]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Pipeline(Camera(10), model(), after=after).run()


def test_an_app_may_change_results_and_add_values() -> None:
    def after(frame: Frame, result: Result) -> tuple[Result, dict]:
        return result[:0], {"count": len(result)}  # type: ignore[index]

    sink = Keep()
    Pipeline(Camera(3), model(), [sink], after=after).run()
    assert [output.extra for output in sink.outputs] == [{"count": 1}] * 3
    assert len(sink.outputs[0].result) == 0  # type: ignore[arg-type]


def test_anything_that_turns_a_picture_into_a_result_may_be_the_model() -> None:
    class Brightness:
        def __call__(self, image: Image) -> Classes:
            ids, scores = np.array([int(image.mean())]), np.ones(1, np.float32)
            return Classes(frame=Size(*image.shape[:2]), class_ids=ids, scores=scores)

        def close(self) -> None:
            pass

    sink = Keep()
    Pipeline(Camera(4), Brightness(), [sink]).run()
    assert [int(o.result.class_ids[0]) for o in sink.outputs] == [0, 1, 2, 3]  # type: ignore[attr-defined]


def test_when_the_accelerator_fails_every_frame_of_a_file_is_still_seen() -> None:
    opened: list[str] = []

    def open_on(device: str) -> Model:
        if device == "coral" and opened:
            raise DeviceError("unplugged")
        opened.append(device)
        session = FakeSession(OUTPUTS, fail_after=10 if device == "coral" else None)
        return Model(session, SPEC, runtime="fake", device=device)

    sink = Keep()
    stats = Pipeline(Camera(30), Failover(open_on, ["coral", "cpu"]), [sink]).run()
    assert sink.indices == list(range(30))
    used = [output.result.run.device for output in sink.outputs]  # type: ignore[union-attr]
    assert used == ["coral"] * 10 + ["cpu"] * 20
    assert stats.device == "cpu"


def test_a_device_that_hangs_is_given_up_within_two_seconds() -> None:
    class Hanging(FakeSession):
        def run(self, tensors):  # type: ignore[no-untyped-def]
            if len(self.seen) == 5:
                time.sleep(30)
            return super().run(tensors)

    def open_on(device: str) -> Model:
        kind = Hanging if device == "npu" else FakeSession
        return Model(kind(OUTPUTS), SPEC, runtime="fake", device=device)

    class Clocked(Keep):
        def write(self, output: Output) -> None:
            times.append(time.monotonic())
            super().write(output)

    times: list[float] = []
    sink = Clocked()
    failover = Failover(open_on, ["npu", "cpu"])
    Pipeline(Camera(10**6, fps=50, live=True), failover, [sink], max_frames=30).run()
    gaps = np.diff(times)
    assert 1.0 < gaps.max() < 2.0
    assert sink.outputs[-1].result.run.device == "cpu"  # type: ignore[union-attr]


def test_a_for_loop_sees_every_frame_of_a_file() -> None:
    source = Camera(20)
    seen = [(frame.index, len(result)) for frame, result in stream(source, model())]  # type: ignore[arg-type]
    assert seen == [(i, 1) for i in range(20)]
    assert source.closed


def test_leaving_the_for_loop_early_ends_the_run() -> None:
    source = Camera(10**6)
    for frame, _ in stream(source, model()):
        if frame.index == 5:
            break
    deadline = time.monotonic() + 5
    while not source.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.closed


def test_an_error_reaches_the_for_loop() -> None:
    with pytest.raises(InferenceError):
        list(stream(Camera(10), model(fail_after=3)))


def test_no_threads_are_left_behind() -> None:
    before = threading.active_count()
    for _ in range(3):
        Pipeline(Camera(10), model(), [Keep()]).run()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_a_run_whose_sinks_have_all_failed_ends_with_the_error() -> None:
    pipeline = Pipeline(Camera(10**6, fps=200, live=True), model(), [Keep(fail_at=2)])
    with pytest.raises(OutputError, match="the disk is full"):
        pipeline.run()
    assert pipeline.failed == ["Keep"]


def test_a_picture_without_what_is_wanted_is_passed_over() -> None:
    class NobodyInThird:
        def __call__(self, image: Image) -> Classes:
            if image[0, 0, 0] == 2:
                raise ImageError("nobody")
            ids, scores = np.zeros(1, np.int64), np.ones(1, np.float32)
            return Classes(frame=Size(*image.shape[:2]), class_ids=ids, scores=scores)

        def close(self) -> None:
            pass

    sink = Keep()
    stats = Pipeline(Camera(4), NobodyInThird(), [sink]).run()
    assert sink.indices == [0, 1, 3]
    assert sink.events == []
    assert stats.events == ["frame_lost: camera: nobody"]
    assert (stats.errors, stats.event_counts) == (1, {"frame_lost": 1})


def test_a_slow_sink_of_a_file_is_waited_for() -> None:
    sink = Keep(seconds=0.25)
    Pipeline(Camera(8), model(), [sink]).run()
    assert sink.indices == list(range(8))


def test_an_event_reaches_a_sink_before_the_results_behind_it() -> None:
    seen: list[str] = []

    class Order(Keep):
        def write(self, output: Output) -> None:
            seen.append(f"result {output.frame.index}")

        def event(self, event: Event) -> None:
            seen.append(event.message)

    def after(frame: Frame, result: Result) -> tuple[Result, dict]:
        pipeline.emit("odd", f"event {frame.index}")
        return result, {}

    pipeline = Pipeline(Camera(2), model(), [Order()], after=after)
    pipeline.run()
    assert seen == ["event 0", "result 0", "event 1", "result 1"]
