import pytest

from edgecv.training.recipe import OptimizerPart
from edgecv.training.schedule import learning_rate


def rates(epochs=4, steps=10, **options):
    part = OptimizerPart(lr=1.0, **options)
    return [learning_rate(part, step, steps=steps, epochs=epochs) for step in range(steps * epochs)]


def test_a_cosine_falls_from_the_rate_to_its_end():
    found = rates()
    assert found[0] == 1.0
    assert found[-1] == pytest.approx(0.0)
    assert found == sorted(found, reverse=True)
    assert sum(found) / len(found) == pytest.approx(0.5)


def test_a_cosine_ends_where_it_is_told():
    assert rates(final_lr=0.1)[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_the_warm_up_rises_evenly(schedule):
    found = rates(schedule=schedule, warmup_epochs=0.5)
    assert found[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0], abs=1e-3)


def test_steps_fall_by_their_factor():
    found = rates(schedule="step", step_epochs=1.5, step_factor=0.5)
    assert found == pytest.approx([1.0] * 15 + [0.5] * 15 + [0.25] * 10)


def test_a_constant_stays():
    assert set(rates(schedule="constant")) == {1.0}


def test_a_warm_up_longer_than_the_run_never_ends():
    found = rates(epochs=1, warmup_epochs=3)
    assert found[-1] == pytest.approx(1.0)
    assert found == sorted(found)


@pytest.mark.parametrize("step", [-1, 40])
def test_a_step_outside_of_the_run_is_refused(step):
    with pytest.raises(ValueError, match=r"wanted a step of 0\.\.39"):
        learning_rate(OptimizerPart(), step, steps=10, epochs=4)
