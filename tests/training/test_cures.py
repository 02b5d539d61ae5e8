"""A run that falls ill is caught, goes back to health, slower, and ends well; or stops in a line.

- Divergence, a critic that has won, mode collapse, a checkerboard, NaN in the weights: provoked
  in tiny networks, found, cured. NaN in the data cannot be: the run stops with exit code 10.
- What was found is said, stands in doctor.json and on the card, with pictures; metrics.csv and
  TensorBoard have each step once.
- It goes back to the newest checkpoint without any complaint, the second time to the one before
  it; healthy ones are kept.
- Killed anywhere, in the middle of a cure too, it resumes to the bit.
- Healthy runs of every learner are left alone.
"""

import csv
import math
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from doctor_makers import (
    Fault,
    Toy,
    begin,
    blob_recipe,
    critic_of_pairs,
    enlarged,
    filter_recipe,
    live,
    pair_recipe,
    record,
)
from torch import nn

from medacuity.adversarial import HINGE, MINIMAX
from medacuity.errors import MalformedInput, SafetyGate
from medacuity.losses import mse
from medacuity.training import doctor, journal, run
from medacuity.training.board import HEAD, _records
from medacuity.training.cures import prescribe, read_cures, settle
from medacuity.training.doctor import FIRST_STEPS, Finding
from medacuity.training.learners.cycle import Cycle
from medacuity.training.recipes import RECIPES
from medacuity.training.snapshots import healthy_steps, newest_snapshot, save_snapshot

SAVED = 40
BACK = "back to step"


def quicker(patch: pytest.MonkeyPatch, cards: list[Any]) -> None:
    """Look at toys from step 160 on; keep the cards, as toys are in no table of networks."""
    patch.setattr(doctor, "FIRST_STEPS", 160)
    patch.setattr(run, "save_weights", lambda path, network, card: cards.append(card))
    patch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def cards(monkeypatch) -> Iterator[list[Any]]:
    """Take toys off the menu afterwards; return their cards."""
    found: list[Any] = []
    before = dict(RECIPES)
    quicker(monkeypatch, found)
    yield found
    RECIPES.clear()
    RECIPES.update(before)


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the lines of metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def numbers(folder: Path, name: str) -> list[float]:
    """Return what was logged under a name."""
    return [float(row[name]) for row in rows(folder) if row.get(name)]


def tensors(folder: Path) -> bytes:
    """Return what the newest checkpoint holds."""
    return sorted(folder.glob("checkpoints/step-*/tensors.safetensors"))[-1].read_bytes()


def kinds(folder: Path) -> set[str]:
    """Return what was found."""
    return {each["finding"]["kind"] for each in record(folder)}


def diverging(**changes: Any) -> Toy:
    """Return a recipe that from step 100 on is stable at half its rate only."""
    return filter_recipe(Fault(2.15, at=100), steps=240, **changes)


@pytest.fixture(scope="module")
def cured(tmp_path_factory) -> Iterator[tuple[Path, Any]]:
    """Return a run that diverged, was cured and never stopped; and its card."""
    found: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        quicker(patch, found)
        folder = begin(tmp_path_factory.mktemp("cured") / "run", diverging())
        with pytest.warns(UserWarning, match=r"; back to step 80 with 0.5 of the rates"):
            live(folder)
    yield folder, found[0]
    del RECIPES[diverging().name]


def test_divergence_is_cured_by_the_lower_rate(cured):
    folder, card = cured
    assert kinds(folder) <= {"exploding", "not finite"}
    assert len(record(folder)) == 1
    assert numbers(folder, "loss")[-1] < 1e-3
    assert numbers(folder, "rate")[-1] == pytest.approx(2.15 / 2 * numbers(folder, "rate")[0])
    assert card.training["cures"][0]["slower"] == 0.5
    assert card.training["cures"][0]["seen"] == record(folder)[0]["finding"]["sentence"]


def steps_on_board(folder: Path) -> list[int]:
    """Return the step of every point of the curve of the loss."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted((folder / "tensorboard").iterdir()):
        data = path.read_bytes()
        events = [Event.FromString(data[a + HEAD.size : b - 4]) for a, b in _records(data)]
        found += [e.step for e in events for v in e.summary.value if v.tag == "loss"]
    return found


def test_what_a_cured_run_leaves_behind(cured):
    folder, _ = cured
    logged = [int(row["step"]) for row in rows(folder)]
    assert logged == sorted(set(logged)) == list(range(10, 241, 10))
    assert steps_on_board(folder) == logged
    found = record(folder)[0]
    step = found["finding"]["step"]
    assert (folder / f"findings/step-{step:08d}-losses.png").exists()
    assert found["back_to"] < step
    assert found["back_to"] % SAVED == 0
    strips = [int(path.stem[5:]) for path in sorted((folder / "samples").glob("step-*"))]
    assert strips == list(range(SAVED, 241, SAVED))


class Poisoned:
    """An objective that once puts NaN into a weight."""

    def __init__(self, at: int) -> None:
        self.calls, self.at = 0, at

    def __call__(self, model: nn.Module, batch: Any) -> torch.Tensor:
        self.calls += 1
        if self.calls == self.at:
            with torch.no_grad():
                model.weight[0, 0, 0, 0] = math.nan
        return mse(model(batch.input), batch.target)


def test_nan_in_the_weights_is_cured(tmp_path):
    recipe = filter_recipe(steps=240)
    recipe.learner.keywords["objective"] = Poisoned(at=150)
    folder = begin(tmp_path / "run", recipe)
    with pytest.warns(UserWarning, match="8 steps in a row; back to step 120 with 0.5"):
        live(folder)
    assert kinds(folder) == {"not finite"}
    assert numbers(folder, "loss")[-1] < 1e-3


def test_nan_in_the_data_stops_the_run_in_one_line(tmp_path, cards):
    clean = filter_recipe(steps=160)

    def draws(step: int) -> Any:
        given, target = clean.draws(step)
        return type(clean.draws(0))(given * (math.nan if step >= 100 else 1.0), target)

    folder = begin(tmp_path / "run", replace(clean, draws=draws, shows=clean.shows))
    with (
        pytest.warns(UserWarning, match="back to step"),
        pytest.raises(SafetyGate, match=r"step 108: .*; stopped, as 3 cures did not help") as stop,
    ):
        live(folder)
    assert stop.value.exit_code == 10
    assert "\n" not in str(stop.value)
    assert [each["back_to"] for each in record(folder)] == [80, 40, 80, None]
    assert not cards
    with pytest.raises(SafetyGate):  # resumed, it does not forget
        live(folder)
    assert len(record(folder)) == 4


def test_some_nan_in_the_data_is_left_to_the_learner(tmp_path):
    clean = filter_recipe(steps=160)

    def draws(step: int) -> Any:
        given, target = clean.draws(step)
        return type(clean.draws(0))(given * (math.nan if step % 5 == 3 else 1.0), target)

    folder = begin(tmp_path / "run", replace(clean, draws=draws))
    live(folder)
    assert record(folder) == []
    assert numbers(folder, "loss")[-1] < 1e-3


def test_a_critic_that_has_won_is_slowed(tmp_path, monkeypatch):
    # A critic of 300 steps is not as sure as one of thousands: its gradient falls to a tenth.
    monkeypatch.setattr(doctor, "FAINT", 0.8)
    sides = {"generator": Fault(0.1, 160, at=100), "critic": Fault(100, 160, at=100)}
    folder = begin(tmp_path / "run", blob_recipe(**sides, game=MINIMAX, steps=320))
    with pytest.warns(UserWarning, match="the critic is always right"):
        live(folder)
    assert "beaten" in kinds(folder)
    assert numbers(folder, "critic_rate")[-1] < numbers(folder, "rate")[-1]
    assert numbers(folder, "gradient")[-1] > 1e-2


def test_mode_collapse_is_cured(tmp_path):
    # A critic that stands still is a fixed target: everything becomes the image it likes best.
    sides = {"generator": Fault(10, 150, at=170), "critic": Fault(0, 150, at=170)}
    folder = begin(tmp_path / "run", blob_recipe(**sides, game=HINGE, steps=400))
    with pytest.warns(UserWarning, match="samples are alike.*of the generator's rate"):
        live(folder)
    assert kinds(folder) == {"collapse"}
    assert min(numbers(folder, "distinct")[-3:]) > doctor.ALIKE
    step = record(folder)[0]["finding"]["step"]
    assert (folder / f"findings/step-{step:08d}-samples.png").exists()


def test_a_checkerboard_is_cured(tmp_path):
    # Transposed convolutions, and for some time a rate at which they cannot settle.
    folder = begin(tmp_path / "run", enlarged(Fault(20, 120, at=170), steps=320))
    with pytest.warns(UserWarning, match="samples have a grid"):
        live(folder)
    assert "checkerboard" in kinds(folder)
    assert numbers(folder, "ripple")[-1] < doctor.CHECKERED


# Where it goes back to


def ill(since: int = 900) -> Finding:
    """Return a finding."""
    return Finding("collapse", 900, since, 0.0, 0.25, "samples are alike", "generator")


def saved(folder: Path, marks: dict[int, bool]) -> Path:
    """Write checkpoints, healthy or not."""
    for step, healthy in marks.items():
        save_snapshot(folder / "checkpoints", step, {"done": step}, healthy=healthy)
    return folder


def steps(folder: Path) -> list[int]:
    """Return the steps of all checkpoints."""
    return [int(path.name[5:]) for path in sorted((folder / "checkpoints").iterdir())]


@pytest.fixture
def home(tmp_path) -> Path:
    """Return the folder of a run without checkpoints."""
    (tmp_path / "checkpoints").mkdir()
    return tmp_path


def test_it_goes_back_to_the_newest_healthy_checkpoint(home):
    saved(home, {100: True, 200: True, 300: False, 400: True, 500: False, 600: False})
    assert prescribe(home, ill()).back_to == 400
    settle(home)
    assert steps(home) == [100, 200, 400]
    settle(home)
    assert newest_snapshot(home / "checkpoints")[0] == 400


def test_health_is_not_trusted_where_the_illness_may_have_begun(home):
    saved(home, {100: True, 200: True, 300: True, 400: False})
    assert prescribe(home, ill(since=250)).back_to == 200
    settle(home)
    assert steps(home) == [100, 200]


def test_the_second_time_it_goes_back_further(home):
    saved(home, {100: True, 200: True, 300: False})
    for back_to, left in ((200, [100, 200]), (100, [100]), (0, [])):
        assert prescribe(home, ill()).back_to == back_to
        settle(home)
        assert steps(home) == left
    with pytest.raises(SafetyGate, match="3 cures did not help"):
        prescribe(home, ill())


def test_without_any_health_it_begins_anew(home):
    saved(home, {100: False, 200: False})
    assert prescribe(home, ill()).back_to == 0
    settle(home)
    assert steps(home) == []
    assert newest_snapshot(home / "checkpoints") is None


def test_a_healthy_checkpoint_made_since_is_gone_back_to(home):
    saved(home, {100: True, 200: False})
    prescribe(home, ill())
    settle(home)
    save_snapshot(home / "checkpoints", 200, {"done": 2}, healthy=True, cures=1)
    settle(home)
    assert steps(home) == [100, 200]
    assert prescribe(home, ill()).back_to == 200


def test_healthy_checkpoints_are_kept_however_many_others_follow(home):
    saved(home, {n: n in (200, 400, 500, 600) for n in range(100, 2000, 100)})
    assert steps(home) == [400, 500, 600, 1700, 1800, 1900]
    assert healthy_steps(home / "checkpoints") == [400, 500, 600]


def test_a_damaged_record_is_refused(home):
    for text in ("", "{}", '[{"finding": {}}]'):
        (home / "doctor.json").write_text(text)
        if text == "{}":
            assert read_cures(home) == []
            continue
        with pytest.raises(MalformedInput, match=r"doctor\.json is damaged"):
            read_cures(home)


# Resuming


def same(folder: Path, other: Path) -> bool:
    """Return whether two runs ended with the same numbers, in the same way."""
    names = ("step", "loss", "gradient", "rate")
    logs = [[[row[n] for n in names] for row in rows(each)] for each in (folder, other)]
    return (
        logs[0] == logs[1] and tensors(folder) == tensors(other)
        and record(folder) == record(other)
    )  # fmt: skip


@pytest.mark.parametrize("stop", ["before", "ill", "after"])
def test_stopped_around_a_cure_it_resumes_to_the_bit(cured, tmp_path, stop):
    folder = begin(tmp_path / "run", diverging())
    whole, _ = cured
    found = record(whole)[0]
    last = {
        "before": found["back_to"] - 1, "ill": found["finding"]["step"] - 1,
        "after": found["back_to"] + SAVED + 1,
    }[stop]  # fmt: skip

    def talk(step: int, of: int, logged: dict[str, float]) -> None:
        if step == last and bool(record(folder)) == (stop == "after"):
            raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the cure, before or after
        with pytest.raises(KeyboardInterrupt):
            live(folder, talk)
        live(folder)
    assert same(folder, cured[0])


def test_killed_in_the_middle_of_a_cure_it_resumes_to_the_bit(cured, tmp_path, monkeypatch):
    folder = begin(tmp_path / "run", diverging())
    calls = []

    def dies(home: Path) -> None:
        calls.append(home)
        if len(calls) == 2:  # the record is written, nothing else is done
            raise KeyboardInterrupt
        settle(home)

    monkeypatch.setattr(run, "settle", dies)
    with pytest.warns(UserWarning, match=BACK), pytest.raises(KeyboardInterrupt):
        live(folder)
    assert len(record(folder)) == 1
    live(folder)
    assert same(folder, cured[0])


# Healthy runs


def cycle(recipe: Toy) -> Toy:
    """Return a recipe of CycleGAN in the place of one of pairs."""
    critic = partial(critic_of_pairs, channels=1)
    learner = partial(Cycle, back=recipe.model, critic=critic)
    return replace(recipe, name="toy-cycle", back="toy-cycle-back", learner=learner)


HEALTHY = {
    "supervised": filter_recipe(),
    "gan": blob_recipe(),
    "conditional": pair_recipe(),
    "cycle": cycle(pair_recipe()),
}
COLLAPSES = ("cycle", 2)  # by itself: the toy's filter begins with its sign turned, and fades


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        *((name, 0) for name in HEALTHY),
        *(pytest.param(name, seed, marks=pytest.mark.slow)
          for name in HEALTHY for seed in (1, 2, 3) if (name, seed) != COLLAPSES),
    ],
)  # fmt: skip
def test_healthy_runs_are_left_alone(name, seed, tmp_path, monkeypatch):
    # Toys are alike for a while as real networks are: long runs are judged when those would be.
    monkeypatch.setattr(doctor, "FIRST_STEPS", 160 if seed == 0 else FIRST_STEPS)
    recipe = replace(HEALTHY[name], steps=160 if seed == 0 else 1500)
    folder = begin(tmp_path / "run", recipe, seed=seed)
    live(folder)
    assert record(folder) == []
    assert not (folder / "findings").exists()
    assert healthy_steps(folder / "checkpoints")[-1] == recipe.steps


@pytest.mark.slow
def test_a_run_that_collapses_by_itself_is_found(tmp_path):
    name, seed = COLLAPSES
    folder = begin(tmp_path / "run", replace(HEALTHY[name], steps=1100), seed=seed)
    with pytest.warns(UserWarning, match="samples are alike"), suppress(SafetyGate):
        live(folder)
    assert record(folder)


def test_what_a_healthy_run_leaves_behind(tmp_path, cards):
    folder = begin(tmp_path / "run", replace(HEALTHY["gan"], steps=80))
    live(folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "run.json", "metrics.csv", "validation.png", "losses.png", "critic.png", "samples.png",
        "samples", "tensorboard", "checkpoints",
    }  # fmt: skip
    assert "cures" not in cards[0].training
    assert {"distinct", "ripple", "contrast", "accuracy"} <= rows(folder)[-1].keys()


def test_a_run_begun_before_there_was_a_doctor_goes_on(tmp_path, monkeypatch):
    folder = begin(tmp_path / "run", replace(HEALTHY["supervised"], steps=80))

    def talk(step: int, of: int, logged: dict[str, float]) -> None:
        if step == 50:
            raise KeyboardInterrupt

    def without(self: journal.Journal) -> dict[str, Any]:
        return {k: v for k, v in self.learner.state_dict().items() if k != "pace"}

    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "state_dict", without)
        with pytest.raises(KeyboardInterrupt):
            live(folder, talk)
    live(folder)
    assert rows(folder)[-1]["step"] == "80"
