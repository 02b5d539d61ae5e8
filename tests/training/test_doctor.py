"""The doctor sees a run fall ill, says so in a sentence, and leaves healthy runs alone.

- Not finite: many steps in a row, or most of them for long; single ones are for the learner.
- Exploding: a loss that lost what it had learned, a game's loss or any gradient out of all
  proportion, for long; a spike, a step down, a slow change of the data are not.
- Beaten: a critic that is always right *and* a generator that gets no gradient; not one of both.
- Collapse, checkerboard, wild contrast: in the images, beside real ones, twice in a row; a
  generator that has only begun is given time, as long as it gets better.
- Its state went through JSON and back at any moment: the same findings at the same steps.
"""

import json
import math
import random
from collections.abc import Callable, Iterable

import pytest
import torch

from medacuity.training.doctor import FIRST_STEPS, Doctor, Finding

Logs = Callable[[int], dict[str, float]]
REAL = torch.rand(12, 1, 32, 32, generator=torch.Generator().manual_seed(0))
BOARD = torch.ones(32, 32)
BOARD[::2, 1::2] = BOARD[1::2, ::2] = -1


def supervised(seed: int, *, start: float = 1.0, best: float = 0.01) -> Logs:
    """Return what a healthy supervised run logs: a loss that falls, with noise on it."""
    rng = random.Random(seed)

    def log(step: int) -> dict[str, float]:
        level = best + (start - best) * math.exp(-step / 100)
        return {
            "loss": level * math.exp(rng.gauss(0, 0.4)),
            "gradient": math.exp(rng.gauss(0, 1)), "skipped": 0.0,
        }  # fmt: skip

    return log


def game(seed: int) -> Logs:
    """Return what a healthy game logs: losses about 1 that swing, a critic that is often right."""
    rng = random.Random(seed)

    def log(step: int) -> dict[str, float]:
        swing = math.sin(step / 70)
        return {
            "loss": 2 + 1.5 * swing + rng.expovariate(1),
            "critic_loss": max(1e-4, 0.4 - 0.4 * swing) * math.exp(rng.gauss(0, 1)),
            "gradient": math.exp(2 * swing + rng.gauss(0, 1)),
            "critic_gradient": math.exp(-2 * swing + rng.gauss(0, 1)),
            "accuracy": 1.0 if swing > 0 else rng.uniform(0.5, 1.0), "skipped": 0.0,
        }  # fmt: skip

    return log


def visit(log: Logs, steps: Iterable[int], doctor: Doctor | None = None) -> Finding | None:
    """Let a doctor examine steps; return the first finding."""
    doctor = doctor or Doctor()
    return next((found for step in steps if (found := doctor.examine(step, log(step)))), None)


@pytest.mark.parametrize("make", [supervised, game])
@pytest.mark.parametrize("seed", range(5))
def test_healthy_logs_are_left_alone(make, seed):
    doctor = Doctor()
    assert visit(make(seed), range(1500), doctor) is None
    assert doctor.healthy


def test_a_loss_in_decibel_is_left_alone_and_its_explosion_is_not():
    rng = random.Random(0)

    def log(step: int) -> dict[str, float]:
        level = -10 - 25 * (1 - math.exp(-step / 100)) if step < 600 else -5
        return {"loss": level + rng.gauss(0, 2), "gradient": 1 + step / 10}

    assert visit(log, range(600)) is None
    found = visit(log, range(2000))
    assert (found.kind, found.slows) == ("exploding", "both")
    assert 600 < found.step < 760


def changed(log: Logs, name: str, change: Callable[[int, float], float]) -> Logs:
    """Return logs with one number changed."""
    return lambda step: (logged := log(step)) | {name: change(step, logged[name])}


@pytest.mark.parametrize(
    ("make", "name", "by"),
    [
        (supervised, "loss", 100), (supervised, "gradient", 1e5), (game, "loss", 1000),
        (game, "critic_loss", 1e4), (game, "gradient", 1e6), (game, "critic_gradient", 1e6),
    ],
)  # fmt: skip
def test_an_explosion_is_found_and_a_spike_is_not(make, name, by):
    lasts = changed(make(0), name, lambda step, x: x * by if step > 700 else x)
    found = visit(lasts, range(2000))
    assert found.kind == "exploding"
    assert 700 < found.step < 900
    assert found.seen > found.limit
    assert ("critic" in name) == ("critic" in found.sentence)
    spike = changed(make(0), name, lambda step, x: x * by if 700 < step < 720 else x)
    assert visit(spike, range(2000)) is None


def test_a_distance_far_below_one_can_explode_too():
    log, rng = game(0), random.Random(1)

    def srgan(step: int) -> dict[str, float]:
        distance = (
            0.005 * math.exp(rng.gauss(0, 0.3)) * (0.4 * step if step > 700 else 1 + step / 700)
        )
        adversarial = 1e-3 * log(step)["loss"]
        return log(step) | {"loss": distance + adversarial, "adversarial": adversarial}

    assert visit(srgan, range(700)) is None
    found = visit(srgan, range(2000))
    assert "the distance stays" in found.sentence
    assert 700 < found.step < 850


def test_a_slow_explosion_is_found_too():
    rising = changed(supervised(0), "loss", lambda step, x: x * math.exp(max(0, step - 500) / 150))
    found = visit(rising, range(3000))
    assert found.kind == "exploding"


def test_a_run_that_begins_badly_is_given_its_time():
    rising = changed(supervised(0), "loss", lambda step, x: x * (4 if 60 < step < 100 else 1))
    assert visit(rising, range(1000)) is None


@pytest.mark.parametrize(
    ("broken", "last"),
    [
        (lambda step: step >= 100, 107),
        (lambda step: step >= 100 and step % 8, 260),
    ],
)
def test_many_steps_that_are_not_finite_are_found(broken, last):
    log = supervised(0)
    nan = {"loss": math.nan, "gradient": math.inf, "skipped": 1.0}
    found = visit(lambda step: nan if broken(step) else log(step), range(1000))
    assert found.kind == "not finite"
    assert 100 < found.step <= last


def test_some_that_are_not_finite_are_not_its_business():
    log = supervised(0)
    nan = {"loss": math.nan, "gradient": math.nan, "skipped": 1.0}
    doctor = Doctor()
    assert visit(lambda step: log(step) if step % 3 else nan, range(1000), doctor) is None
    assert visit(lambda step: nan, [1000], doctor) is None
    assert not doctor.healthy  # a checkpoint of just now is not one to go back to
    assert visit(log, [1001], doctor) is None
    assert doctor.healthy


def beaten(gradient: float, accuracy: float) -> Logs:
    """Return a game whose critic wins after 300 steps."""
    log = changed(game(0), "gradient", lambda step, x: x * gradient if step > 300 else x)
    return changed(log, "accuracy", lambda step, x: accuracy if step > 300 else x)


def test_a_critic_that_has_won_is_found():
    found = visit(beaten(1e-6, 1.0), range(2000))
    assert (found.kind, found.slows) == ("beaten", "critic")
    assert 300 < found.step < 520


@pytest.mark.parametrize(("gradient", "accuracy"), [(1.0, 1.0), (1e-6, 0.9), (0.2, 1.0)])
def test_one_sign_of_it_is_not_enough(gradient, accuracy):
    assert visit(beaten(gradient, accuracy), range(2000)) is None


def test_findings_are_a_sentence():
    found = visit(beaten(1e-6, 1.0), range(2000))
    assert "learns nothing" in found.sentence
    assert "\n" not in found.sentence
    assert json.loads(json.dumps(vars(found))) == vars(found)


# Looks


def looks(
    *samples: torch.Tensor, real: torch.Tensor = REAL, first: int = FIRST_STEPS
) -> list[str | None]:
    """Let a doctor look at samples, every 500 steps; return what it found each time."""
    doctor = Doctor()
    found = [doctor.look(first + 500 * n, x, real) for n, x in enumerate(samples)]
    return [each and each.kind for each in found]


def other(seed: int = 1) -> torch.Tensor:
    """Return healthy samples."""
    return torch.rand(REAL.shape, generator=torch.Generator().manual_seed(seed))


ILL = {
    "one": ("collapse", REAL[:1].expand(12, -1, -1, -1)),
    "two": ("collapse", REAL[:2].repeat(6, 1, 1, 1)),
    "nearly": ("collapse", REAL[:1] + 0.03 * (other(2) - 0.5)),
    "blank": ("collapse", torch.zeros_like(REAL)),
    "board": ("checkerboard", REAL + 0.05 * BOARD),
    "lines": ("checkerboard", REAL + 0.05 * (1 - 2.0 * (torch.arange(32) % 2))),
    "fours": ("checkerboard", REAL + 0.1 * (torch.arange(32) % 4 < 2)),
    "wild": ("exploding", 20 * REAL),
}


@pytest.mark.parametrize("name", ILL)
def test_ill_images_are_found_at_the_second_look(name):
    kind, ill = ILL[name]
    assert looks(other(), ill, ill) == [None, None, kind]
    assert looks(other(), ill, other(), ill) == [None] * 4


@pytest.mark.parametrize("name", ILL)
def test_at_the_last_look_the_first_sign_counts(name):
    kind, ill = ILL[name]
    doctor = Doctor()
    assert doctor.look(1000, other(), REAL) is None
    assert doctor.look(1001, ill, REAL, last=True).kind == kind


@pytest.mark.parametrize("name", ILL)
def test_no_checkpoint_with_a_sign_is_healthy(name):
    doctor = Doctor()
    doctor.look(500, other(), REAL)
    assert doctor.healthy
    doctor.look(1000, ILL[name][1], REAL)
    assert not doctor.healthy
    doctor.look(1500, other(), REAL)
    assert doctor.healthy


@pytest.mark.parametrize("name", ILL)
def test_who_was_never_well_is_found_once_it_had_its_time(name):
    kind, ill = ILL[name]
    assert looks(*[ill] * 4) == [None, None, None, kind]
    assert looks(*[ill] * 6, first=0) == [None, None, None, kind, kind, kind]
    assert looks(other(), *[ill] * 3, first=1 - FIRST_STEPS) == [None] * 4


def test_who_was_never_well_but_gets_better_is_given_more():
    grids = [REAL + strength * BOARD for strength in (0.2, 0.15, 0.1, 0.07, 0.05, 0.03)]
    assert looks(*grids) == [None] * 6
    alike = [REAL.mean(0) + share * (REAL - REAL.mean(0)) for share in (0.03, 0.06, 0.1, 0.2)]
    assert looks(*alike, *alike[-1:]) == [None] * 5


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_images_that_are_not_finite_are_found_at_once(value):
    ill = other()
    ill[3, 0, 5, 5] = value
    doctor = Doctor()
    assert doctor.look(1, ill, REAL).kind == "not finite"
    assert not doctor.healthy


def test_real_images_with_a_grid_of_their_own_are_no_reason():
    real = REAL + 0.05 * BOARD
    assert looks(*[other() + 0.1 * BOARD] * 5, real=real) == [None] * 5


def test_real_images_that_are_all_the_same_say_nothing_of_diversity():
    flat = torch.zeros_like(REAL)
    assert looks(*[flat] * 6, real=flat) == [None] * 6


def test_one_image_alone_can_be_looked_at():
    assert looks(*[REAL[:1]] * 6, real=REAL[1:2]) == [None] * 6


@pytest.mark.parametrize("shape", [(12, 1, 16, 16, 16), (12, 2)])
def test_volumes_and_vectors_are_looked_at_too(shape):
    rng = torch.Generator().manual_seed(0)
    real, well = torch.rand(2, *shape, generator=rng)
    assert looks(well, well[:1].expand(shape), well[:1].expand(shape), real=real)[-1] == "collapse"
    assert looks(*[well] * 6, real=real) == [None] * 6


@pytest.mark.parametrize("stop", [1, 60, 290, 350, 390])
def test_a_saved_doctor_finds_the_same(stop):
    one = Doctor()
    log = [beaten(1e-6, 1.0)(step) for step in range(600)]  # drawn once
    found = visit(log.__getitem__, range(600), one)
    before = Doctor()
    before.look(1, other(), REAL)
    assert visit(log.__getitem__, range(stop), before) is None
    after = Doctor()
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    assert after.state_dict() == before.state_dict()
    assert visit(log.__getitem__, range(stop, 600), after) == found
    assert visit(log.__getitem__, range(stop, 600), before) == found


def test_a_saved_state_is_no_part_of_the_doctor():
    doctor = Doctor()
    state = doctor.state_dict()
    doctor.look(1, ILL["one"][1], REAL)
    assert Doctor().state_dict() == state
