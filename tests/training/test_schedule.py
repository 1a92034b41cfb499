import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from striate.training.recipe import Recipe
from striate.training.schedule import rate

STEPS, EPOCHS, HIGHEST = 10, 12, 0.5


def recipe(schedule: str, epochs: int = EPOCHS, **options: object) -> Recipe:
    return Recipe(data="digits", schedule=schedule, rate=HIGHEST, epochs=epochs, **options)  # type: ignore[arg-type]


def rates(schedule: str, **options: object) -> list[float]:
    return [rate(recipe(schedule, **options), step, STEPS) for step in range(STEPS * EPOCHS)]


def by_torch(scheduler: type[lr_scheduler.LRScheduler], steps: int, **options: object) -> list[float]:
    """The rates of torch's own scheduler, one per step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=HIGHEST)
    running, found = scheduler(optimizer, **options), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        running.step()
    return found


def test_cosine_is_that_of_torch_in_the_middle_of_each_step() -> None:
    halves = by_torch(lr_scheduler.CosineAnnealingLR, 2 * STEPS * EPOCHS, T_max=2 * STEPS * EPOCHS)
    assert rates("cosine") == pytest.approx(halves[1::2], rel=1e-6)


def test_a_warm_up_is_linear_and_the_rest_is_the_schedule_over_the_steps_left() -> None:
    found = rates("cosine", warmup=2)
    assert found[:20] == pytest.approx([HIGHEST * (step + 1) / 20 for step in range(20)])
    halves = by_torch(lr_scheduler.CosineAnnealingLR, 200, T_max=200)
    assert found[20:] == pytest.approx(halves[1::2], rel=1e-6)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant", "step"])
def test_a_warm_up_of_all_epochs_or_more_only_rises(schedule: str) -> None:
    for warmup in (EPOCHS, 3 * EPOCHS):
        found = rates(schedule, warmup=warmup, step_epochs=(99,))
        assert found == sorted(found)
        assert found[-1] == pytest.approx(HIGHEST * EPOCHS / warmup)


def test_steps_are_those_of_torch() -> None:
    milestones = [3 * STEPS, 7 * STEPS]
    expected = by_torch(lr_scheduler.MultiStepLR, STEPS * EPOCHS, milestones=milestones, gamma=0.2)
    assert rates("step", step_epochs=(3, 7), step_factor=0.2) == pytest.approx(expected)
    assert rates("step", step_epochs=(2.5,))[24:26] == pytest.approx([HIGHEST, HIGHEST / 10])


def test_one_cycle_starts_at_a_25th_peaks_at_30_per_cent_and_falls_to_nothing() -> None:
    # One picture a step: steps of 1/100,000 of the whole, so that a step's middle is its beginning.
    total = 100_000
    found = [rate(recipe("one-cycle", total), step, 1) for step in (0, total * 3 // 10, total - 1)]
    assert found == pytest.approx([HIGHEST / 25, HIGHEST, 0.0], abs=1e-8)
    shape = rates("one-cycle")
    peak = shape.index(max(shape))
    assert peak in (35, 36)
    assert shape[: peak + 1] == sorted(shape[: peak + 1])
    assert shape[peak:] == sorted(shape[peak:], reverse=True)
    expected = by_torch(lr_scheduler.OneCycleLR, total := 2000, max_lr=HIGHEST, total_steps=total, final_div_factor=1e9)
    ours = [rate(recipe("one-cycle", total), step, 1) for step in range(total)]
    assert ours == pytest.approx(expected, abs=HIGHEST * 0.004)  # ours is half a step further


def test_constant_stays() -> None:
    assert set(rates("constant")) == {HIGHEST}


@given(
    st.sampled_from(["cosine", "one-cycle", "step", "constant"]),
    st.integers(1, 50),
    st.integers(1, 50),
    st.floats(0, 60),
    st.data(),
)
def test_every_rate_is_above_0_and_at_most_the_highest(
    schedule: str, steps: int, epochs: int, warmup: float, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, steps * epochs - 1))
    assert 0 < rate(recipe(schedule, epochs, warmup=warmup, step_epochs=(1, 2)), step, steps) <= HIGHEST
