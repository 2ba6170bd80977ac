from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import child_edgetpu
import numpy as np
import pytest
from made_rounds import made_round
from tiny_models import relu_tflite
from virtual_edgetpu import VirtualEdgeTpu

from edgecv.bench.loop import Effort
from edgecv.bench.measure import STAGES, _side_by_side, claims, measure
from edgecv.bench.picture import example, picture_file, pixels
from edgecv.bench.setting import Setting
from edgecv.bench.stamps import round_stamps
from edgecv.errors import DeviceLostError, ImageError, InferenceError
from edgecv.machine import energy as energy_module
from edgecv.machine.sensors import Unreadable
from edgecv.model import Model
from edgecv.results import Classes
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession

SHORT = Effort(seconds=0.0, count=6, warmup_seconds=0.05)
SPEC = ModelSpec("fake", "classification", "classifier")
IMAGE = np.zeros((8, 8, 3), np.uint8)


def fake(**options) -> Model:
    return Model(FakeSession({"scores": np.array([[0.9, 0.1]], np.float32)}, **options), SPEC)


class Liar(Model):
    """A model that tells half of the time that it takes."""

    def __call__(self, image, region=None) -> Classes:
        result = super().__call__(image, region)
        told = result.run.latency_ms
        return result.with_run(replace(result.run, latency_ms=told._replace(total=told.total / 2)))


def test_a_round_has_all_stages_of_every_pass(place: Path, picture: bytes) -> None:
    effort = Effort(seconds=0.03, count=6, warmup_seconds=0.05)
    found = measure(Setting(str(place), "tflite", "cpu", 1), picture, effort, streams=(1, 2))
    assert tuple(found.samples_ms) == STAGES
    assert len({len(times) for times in found.samples_ms.values()}) == 1
    assert len(found.samples_ms["end_to_end"]) >= 6
    stages = sum(found.samples_ms[stage] for stage in STAGES[:-1])
    np.testing.assert_allclose(stages, found.samples_ms["end_to_end"])
    assert all((times > 0).all() for times in found.samples_ms.values())
    assert found.wall_s * 1e3 >= found.samples_ms["end_to_end"].sum()
    assert sorted(found.streams) == [1, 2]
    assert all(rate > 0 for rate in found.streams.values())
    assert found.rss_mb >= found.base_mb > 10
    assert (found.device, found.fallback, found.error) == ("cpu", "", "")
    assert found.clocked_ms >= found.claimed_ms > 0


def test_a_setting_without_threads_leaves_them_to_the_runtime(place, picture) -> None:
    assert measure(Setting(str(place), "tflite", "cpu", 0), picture, SHORT).error == ""


def test_what_is_no_picture_is_told(place: Path) -> None:
    with pytest.raises(ImageError, match="no picture that OpenCV reads"):
        measure(Setting(str(place), "tflite", "cpu", 1), b"JPEG", SHORT)


def test_a_model_that_lies_of_its_time_is_found_by_the_wall_clock() -> None:
    session = FakeSession({"scores": np.array([[0.9, 0.1]], np.float32)}, latency=0.004)
    claimed, clocked = claims(Liar(session, SPEC), IMAGE, count=5)
    assert clocked >= 4
    assert clocked > 1.9 * claimed
    kinds = {kind for kind, _ in round_stamps(made_round(claimed_ms=claimed, clocked_ms=clocked))}
    assert kinds == {"claims"}


def test_an_honest_model_claims_no_more_than_the_clock_says() -> None:
    claimed, clocked = claims(fake(latency=0.004), IMAGE, count=5)
    assert 4 <= claimed <= clocked


def test_models_side_by_side_all_count() -> None:
    models = [fake(latency=0.002) for _ in range(3)]
    rate = _side_by_side(models, IMAGE, 0.3)
    runs = [len(model.session.seen) for model in models]
    assert all(runs)
    assert 0 < rate <= sum(runs) / 0.3


def test_one_of_several_that_fails_is_told() -> None:
    with pytest.raises(InferenceError, match="told to fail"):
        _side_by_side([fake(latency=0.001), fake(fail_after=3)], IMAGE, 0.05)


# ---- energy


class Watts:
    """A sensor of two watts."""

    name, covers = "INA3221", "board"

    def read(self) -> float:
        return 2.0


@pytest.fixture
def sensors(monkeypatch: pytest.MonkeyPatch):
    def plant(*found, unreadable=()) -> None:
        monkeypatch.setattr(
            energy_module, "energy_sensors", lambda: (tuple(found), tuple(unreadable))
        )

    return plant


def test_a_sensor_that_may_not_be_read_is_named_with_what_to_do(place, picture, sensors) -> None:
    sensors(unreadable=[Unreadable("package-0", "no permission: sudo chmod a+r energy_uj")])
    found = measure(Setting(str(place), "tflite", "cpu", 1), picture, SHORT)
    assert found.energy_mj is None
    assert "package-0" in found.energy_note
    assert "sudo chmod a+r energy_uj" in found.energy_note
    assert found.error == ""


def test_energy_is_that_of_one_result(place, picture, sensors) -> None:
    sensors(Watts())
    found = measure(Setting(str(place), "tflite", "cpu", 1), picture, SHORT)
    assert found.energy_note == "INA3221 (board)"
    assert found.energy_mj >= 2 * found.samples_ms["end_to_end"].mean()


def test_a_machine_without_sensors_tells_no_energy(place, picture, sensors) -> None:
    sensors()
    found = measure(Setting(str(place), "tflite", "cpu", 1), picture, SHORT)
    assert (found.energy_mj, found.energy_note) == (None, "")


# ---- a device that dies


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    compiled = child_edgetpu.classifier(tmp_path / "tiny_edgetpu.tflite")
    return relu_tflite(tmp_path / "tiny.tflite", dtype="uint8"), compiled


@pytest.mark.gcc
def test_a_device_that_dies_in_mid_run_leaves_what_was_measured(
    edgetpu_library, pair, picture
) -> None:
    setting = Setting(str(pair[1]), "coral", "coral", 0)
    endless = Effort(seconds=30, count=1000, warmup_seconds=0.02)
    with VirtualEdgeTpu(edgetpu_library, pair[0], fail_after=400, latency_us=200):
        found = measure(setting, picture, endless, streams=(1,))
    passes = len(found.samples_ms["end_to_end"])
    assert passes == 400 - 1 - found.warmup.count
    assert "the Edge TPU stopped answering" in found.error
    assert (found.streams, found.claimed_ms, found.clocked_ms) == ({}, 0, 0)
    reasons = dict(round_stamps(found))
    assert f"failed after {passes} passes" in reasons["failed"]
    assert "claims" not in reasons


@pytest.mark.gcc
def test_a_device_that_dies_in_the_warm_up_has_measured_nothing(
    edgetpu_library, pair, picture
) -> None:
    with (
        VirtualEdgeTpu(edgetpu_library, pair[0], fail_after=5),
        pytest.raises(DeviceLostError, match="stopped answering"),
    ):
        measure(Setting(str(pair[1]), "coral", "coral", 0), picture, SHORT)


@pytest.mark.gcc
def test_a_device_that_dies_after_the_passes_leaves_them_whole(
    edgetpu_library, pair, picture
) -> None:
    effort = Effort(seconds=0, count=300, warmup_seconds=0)
    with VirtualEdgeTpu(edgetpu_library, pair[0], fail_after=310):
        found = measure(Setting(str(pair[1]), "coral", "coral", 0), picture, effort)
    assert len(found.samples_ms["end_to_end"]) == 300
    assert "stopped answering" in found.error


@pytest.mark.gcc
def test_a_slow_model_is_not_asked_for_more_claims_than_it_made_passes(
    edgetpu_library, pair, picture
) -> None:
    effort = Effort(seconds=0, count=3, warmup_seconds=0)
    with VirtualEdgeTpu(edgetpu_library, pair[0]) as tpu:
        found = measure(Setting(str(pair[1]), "coral", "coral", 0), picture, effort)
        assert tpu.calls == 1 + found.warmup.count + 3 + 3
    assert found.clocked_ms > 0


# ---- the picture


def test_the_example_is_the_same_every_time() -> None:
    (one, about), (other, _) = example(), example()
    assert one == other
    assert pixels(one).shape == (about["height"], about["width"], 3) == (480, 640, 3)
    assert about["bytes"] == len(one)


def test_a_picture_of_ones_own_is_described(tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "mine.png").write_bytes(picture)
    data, about = picture_file(tmp_path / "mine.png")
    assert data == picture
    assert about == {"name": "mine.png", "height": 8, "width": 8, "bytes": len(picture)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"cannot read .*mine\.png"),
        (b"", "no picture"),
        (b"text", r"mine\.png is no picture"),
    ],
    ids=["missing", "empty", "text"],
)
def test_a_file_that_is_no_picture_is_told(content, said, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "mine.png").write_bytes(content)
    with pytest.raises(ImageError, match=said):
        picture_file(tmp_path / "mine.png")
