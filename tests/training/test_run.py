"""A run resumes as if it had never stopped, and leaves behind what it says.

- Stopped anywhere, killed with -9 (slow test), with the newest checkpoint damaged: the weights,
  the optimiser and the log end up those of the run that was never stopped, to the bit.
- metrics.csv has each step once; the weight file has a card that tells how it was made.
- A run never starts over another, and a damaged one is refused.
- Several processes under torchrun end with one set of weights (slow test).
"""

import csv
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from training_makers import flat_pairs, save_scans, settings, tiny

from medacuity.checkpoint import Card, load_weights, rule_as_json, save_weights
from medacuity.errors import MalformedInput, SafetyGate, StorageError, UsageError
from medacuity.intensity import Percentile
from medacuity.models import ESPCN, AcuityNet, FBPConvNet, PrimalDual
from medacuity.training import watch
from medacuity.training.learners.supervised import paired
from medacuity.training.recipes import RECIPES
from medacuity.training.run import resume_run, start_run, warm_start
from medacuity.training.session import Wish, begin

STEPS = 8


def quiet(step: int, of: int, logged: dict[str, float]) -> None:
    """Say nothing."""


def stops_at(last: int) -> Callable[[int, int, dict[str, float]], None]:
    """Stop the run as a signal would, once a step was logged."""

    def talk(step: int, of: int, logged: dict[str, float]) -> None:
        if step == last:
            raise KeyboardInterrupt

    return talk


def tensors(run: Path) -> bytes:
    """Return the last checkpoint's tensors: weights and the optimiser's moments."""
    return (run / f"checkpoints/step-{STEPS:08d}/tensors.safetensors").read_bytes()


def log(run: Path) -> list[tuple[str, ...]]:
    """Return what of the log does not depend on the clock."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [tuple(row[k] for k in ("step", "loss", "gradient", "rate", "gain_db")) for row in rows]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """Return a folder with prepared phantoms, and the tiny recipe on the menu."""
    folder = tmp_path_factory.mktemp("home")
    flat_pairs(folder)
    with pytest.MonkeyPatch.context() as patch:  # quick: no drawing, no waiting for the disk
        patch.setattr(watch, "picture", lambda shown, title: b"a picture")
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield folder
    del RECIPES["tiny"]


@pytest.fixture(scope="module")
def whole(home) -> Path:
    """Return a run that was never stopped."""
    start_run(home / "whole", settings(home, tiny()), quiet)
    return home / "whole"


def test_what_a_run_leaves_behind(whole):
    names = {path.name for path in whole.iterdir()}
    assert names == {
        "run.json", "metrics.csv", "validation.png", "losses.png", "samples.png", "samples",
        "tensorboard", "checkpoints", "tiny.safetensors",
    }  # fmt: skip
    steps = [path.name for path in sorted((whole / "checkpoints").iterdir())]
    assert steps == ["step-00000003", "step-00000006", "step-00000008"]
    assert [int(row[0]) for row in log(whole)] == list(range(1, STEPS + 1))
    assert all(math.isfinite(float(row[1])) for row in log(whole))
    assert (whole / "validation.png").read_bytes() == b"a picture"


def test_the_weights_carry_a_card(whole):
    trained = load_weights(whole / "tiny.safetensors")
    assert trained.card.network == "AcuityNet"
    assert trained.card.arguments == {"scale": [2, 2], "dims": 2, "width": 8, "blocks": 1}
    assert trained.card.rule() == Percentile()
    assert (trained.card.data, trained.card.licence) == ("phantoms", "CC0")
    assert trained.card.training["steps"] == STEPS
    assert "validation_gain_over_cubic_db" in trained.card.training


def test_the_weights_are_those_of_the_last_checkpoint(whole):
    from safetensors.torch import load

    saved = load(tensors(whole))
    for name, weight in load_weights(whole / "tiny.safetensors").model.state_dict().items():
        assert torch.equal(weight, saved[f"/model/{name}"].half().float())


@pytest.mark.parametrize("last", [1, 3, 7, 8])
def test_stopped_and_resumed_is_never_stopped(home, whole, last, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start_run(run, settings(home, tiny()), stops_at(last))
    torch.rand(3)  # the global generators are no part of it
    np.random.rand(2)
    random.random()
    weights = resume_run(run, quiet)
    assert tensors(run) == tensors(whole)
    assert log(run) == log(whole)
    ours, theirs = load_weights(weights), load_weights(whole / "tiny.safetensors")
    for name, weight in ours.model.state_dict().items():
        assert torch.equal(weight, theirs.model.state_dict()[name])


def test_stopped_again_and_again(home, whole, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start_run(run, settings(home, tiny()), stops_at(2))
    for last in (1, 4, 4, 7):
        with pytest.raises(KeyboardInterrupt):
            resume_run(run, stops_at(last))
    resume_run(run, quiet)
    assert tensors(run) == tensors(whole)
    assert log(run) == log(whole)


def test_a_finished_run_resumes_to_itself(home, whole, tmp_path):
    run = tmp_path / "run"
    start_run(run, settings(home, tiny()), quiet)
    resume_run(run, quiet)
    assert tensors(run) == tensors(whole)
    assert log(run) == log(whole)


@pytest.mark.parametrize("damage", ["flip", "truncate", "no manifest"])
def test_a_damaged_newest_checkpoint_falls_back(home, whole, damage, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start_run(run, settings(home, tiny()), stops_at(7))
    newest = run / "checkpoints/step-00000006"
    path = newest / "tensors.safetensors"
    if damage == "no manifest":
        (newest / "manifest.json").unlink()
    else:
        data = bytearray(path.read_bytes())
        data[-9] ^= 64
        path.write_bytes(data if damage == "flip" else data[:100])
    with pytest.warns(UserWarning, match="step-00000006 is damaged"):
        resume_run(run, quiet)
    assert tensors(run) == tensors(whole)
    assert log(run) == log(whole)
    resume_run(run, quiet)  # without a warning: the damaged one was replaced


def test_what_a_killed_run_was_writing_is_swept_away(home, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start_run(run, settings(home, tiny()), stops_at(4))
    (run / ".metrics.csv.abc.part").write_text("step")
    (run / "checkpoints/.step-00000006.abc.part").mkdir()
    (run / "checkpoints/.step-00000006.abc.part/tensors.safetensors").write_text("half")
    resume_run(run, quiet)
    assert not list(run.rglob(".*"))


def test_a_run_never_starts_over_another(home, whole):
    before = tensors(whole)
    with pytest.raises(StorageError, match="a run is there"):
        start_run(whole, settings(home, tiny()), quiet)
    assert tensors(whole) == before


def test_what_is_no_run_is_refused(home, tmp_path):
    with pytest.raises(StorageError, match=r"run\.json is missing"):
        resume_run(tmp_path, quiet)
    for text in ("", "[]", "{}", '{"recipe": 1, "surprise": 2}'):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(MalformedInput):
            resume_run(tmp_path, quiet)
    unknown = vars(settings(home, tiny())) | {"recipe": "nonesuch"}
    (tmp_path / "run.json").write_text(json.dumps(unknown))
    with pytest.raises(MalformedInput, match="no recipe is called 'nonesuch'"):
        resume_run(tmp_path, quiet)


def test_no_checkpoint_left_sound_is_refused(home, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start_run(run, settings(home, tiny()), stops_at(4))
    (run / "checkpoints/step-00000003/numbers.json").write_text("{}")
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(MalformedInput, match="none of its checkpoints"),
    ):
        resume_run(run, quiet)


def test_a_run_of_nothing_finite_stops_and_writes_no_weights(home, tmp_path, monkeypatch):
    def broken(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (prediction - target).mean() * math.nan

    recipe = tiny()
    hopeless = replace(recipe, steps=40)
    hopeless.learner.keywords["objective"] = partial(paired, loss=broken)
    monkeypatch.setitem(RECIPES, "tiny", hopeless)
    with (
        pytest.warns(UserWarning, match="8 steps in a row; back to step 0"),
        pytest.raises(SafetyGate, match="3 cures did not help"),
    ):
        start_run(tmp_path / "run", settings(home, hopeless, save_every=100), quiet)
    assert not (tmp_path / "run/tiny.safetensors").exists()


def test_another_seed_is_another_run(home, whole, tmp_path):
    start_run(tmp_path / "run", settings(home, tiny(), seed=5), quiet)
    assert tensors(tmp_path / "run") != tensors(whole)


def test_weights_to_start_from_are_taken_over_once(home, tmp_path):
    other = AcuityNet(scale=(3, 3), dims=2, width=8, blocks=1)
    start = tmp_path / "start.safetensors"
    arguments = {"scale": [3, 3], "dims": 2, "width": 8, "blocks": 1}
    save_weights(start, other, Card("s", "AcuityNet", arguments, rule_as_json(Percentile())))
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start_run(run, settings(home, tiny(), start=str(start)), stops_at(3))
    start.unlink()  # a run that has begun needs it no more
    resume_run(run, quiet)


def test_a_warm_start_takes_what_fits():
    model, other = (AcuityNet(scale=(s, s), dims=2, width=8, blocks=1) for s in (2, 3))
    tail = model.tail.weight.clone()
    warm_start(model, other)
    assert torch.equal(model.head.weight, other.head.weight)
    assert torch.equal(model.tail.weight, tail)


DRIVER = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
import torch
torch.set_num_threads(1)
from training_makers import settings, tiny
from medacuity.training.recipes import RECIPES
from medacuity.training.run import resume_run, start_run
RECIPES["tiny"] = recipe = tiny()
home, run = Path({home!r}), Path({run!r})
def talk(step, of, logged):
    time.sleep({pause})
if (run / "run.json").exists():
    resume_run(run, talk)
else:
    start_run(run, settings(home, recipe, save_every={save_every}), talk)
"""


def driver(home: Path, run: Path, *, pause: float = 0.0, save_every: int = 1) -> str:
    """Return a script that starts or resumes a run."""
    tests = str(Path(__file__).parent)
    return DRIVER.format(
        tests=tests, home=str(home), run=str(run), pause=pause, save_every=save_every
    )


def saved(run: Path) -> list[str]:
    """Return the names of the checkpoints there are."""
    return sorted(path.name for path in run.glob("checkpoints/step-*"))


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes_to_the_bit(home, tmp_path):
    smooth, run = tmp_path / "smooth", tmp_path / "run"
    subprocess.run([sys.executable, "-c", driver(home, smooth)], check=True, timeout=300)
    rng = random.Random(1)
    killed = 0
    for _ in range(60):
        process = subprocess.Popen([sys.executable, "-c", driver(home, run, pause=0.05)])
        before = saved(run)
        while saved(run) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))  # anywhere in the next step or two, saving included
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        if process.wait(timeout=300) == 0:
            break
    assert killed >= 2
    subprocess.run([sys.executable, "-c", driver(home, run)], check=True, timeout=300)
    assert tensors(run) == tensors(smooth)
    assert log(run) == log(smooth)
    assert not list(run.rglob(".*"))


@pytest.mark.slow
def test_two_processes_train_one_network(home, tmp_path):
    run, script = tmp_path / "run", tmp_path / "driver.py"
    script.write_text(driver(home, run, save_every=3))
    launch = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        str(script),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(launch, check=True, timeout=300, env=environment)
    trained = load_weights(run / "tiny.safetensors")
    assert set(trained.model.state_dict()) == set(AcuityNet(**trained.card.arguments).state_dict())
    assert [int(row[0]) for row in log(run)] == list(range(1, STEPS + 1))
    # One process goes on from what two have made, and two from that again.
    for path in (run / "checkpoints/step-00000008", run / "checkpoints/step-00000006"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    subprocess.run([sys.executable, str(script)], check=True, timeout=300)
    subprocess.run(launch, check=True, timeout=300, env=environment)
    assert [int(row[0]) for row in log(run)] == list(range(1, STEPS + 1))


def test_weights_with_nothing_in_common_are_no_start():
    with pytest.raises(UsageError, match="nothing in common with this network"):
        warm_start(AcuityNet(scale=2, dims=2), ESPCN(scale=2, dims=2))


def test_weights_to_start_from_are_looked_for_before_the_scans_are_prepared(tmp_path):
    cases = save_scans(tmp_path / "scans")
    wish = Wish("mri-2d-x2", cases[0].path.parent, start="nonesuch")
    with pytest.raises(UsageError, match=r"starts from 'nonesuch'.*--start none"):
        begin(tmp_path / "run", wish, report=lambda what, done, of: None)
    assert not (tmp_path / "run").exists()


def test_a_network_is_taken_over_as_a_part_of_another():
    part = FBPConvNet(dims=2, width=4, depth=3)
    whole = PrimalDual(dims=2, iterations=1, memory=1, width=4, first=4)
    before = {name: value.clone() for name, value in whole.state_dict().items()}
    warm_start(whole, part)
    for name, value in part.state_dict().items():
        assert torch.equal(whole.state_dict()[f"first.{name}"], value)
    for name, value in before.items():
        assert name.startswith("first.") or torch.equal(whole.state_dict()[name], value)
