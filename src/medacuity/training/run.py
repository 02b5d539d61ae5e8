"""One run: recipe + arrays + fit + checkpoints + logs; and how it goes on after a power cut."""

import json
import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.atomic import atomic_write
from medacuity.checkpoint import Card, load_weights, rule_as_json, save_weights
from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.models import AcuityNet
from medacuity.nd import LAYOUTS, channels_last
from medacuity.training.cures import carried_out, on_card, prescribe, read_cures, settle
from medacuity.training.doctor import Finding
from medacuity.training.fit import Learner, fit
from medacuity.training.journal import Journal
from medacuity.training.learners.supervised import everywhere
from medacuity.training.recipes import RECIPES, Batches, Recipe
from medacuity.training.snapshots import newest_snapshot
from medacuity.training.watch import Look

LONGEST_WAIT = timedelta(hours=12)  # of processes for the one that prepares the scans
CHECKED = 8  # batches a run is looked at on

NOTED = {"gain_db": "validation_gain_over_cubic_db"}

Talk = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Settings:
    """What a run was asked for; it is all that `resume` needs besides the checkpoints."""

    recipe: str
    arrays: str  # below the run's folder, or absolute
    steps: int
    batch: int
    seed: int
    device: str = "cpu"
    save_every: int = 500
    log_every: int = 50
    start: str | None = None
    data: str = ""
    licence: str = ""
    scans: str = ""  # the folder they were found in, and the table that lists them
    table: str | None = None
    variants: int = 0


def start_run(folder: Path, settings: Settings, talk: Talk) -> Path:
    """Train in a new folder; return the weight file it ends with."""
    create_run(folder, settings)
    return resume_run(folder, talk)


def create_run(folder: Path, settings: Settings) -> None:
    """Write down what is wanted, before anything is done, so that it can be resumed."""
    rank, processes = join_processes()
    if rank == 0:
        if (folder / "run.json").exists():
            raise StorageError("a run is there; resume it or name a new folder", path=folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "run.json") as file:
            file.write(json.dumps(asdict(settings), indent=1).encode())
    if processes > 1:
        torch.distributed.barrier()


def read_run(folder: Path) -> Settings:
    """Return what a run was asked for."""
    try:
        settings = Settings(**json.loads((folder / "run.json").read_text()))
    except FileNotFoundError as error:
        raise StorageError("no run is there: run.json is missing", path=folder) from error
    except (TypeError, ValueError) as error:
        raise MalformedInput("its run.json is damaged", path=folder) from error
    if settings.recipe not in RECIPES:
        raise MalformedInput(f"no recipe is called {settings.recipe!r}", path=folder)
    return settings


class _Ill(Exception):
    """A run must not go on as it is; the first process knows why."""

    def __init__(self, finding: Finding | None) -> None:
        super().__init__()
        self.finding = finding


def resume_run(folder: Path, talk: Talk) -> Path:
    """Go on from the newest sound checkpoint, bit for bit as if never stopped.

    Raises:
        SafetyGate: The run fell ill, and cures did not help.
    """
    while True:
        try:
            return _go_on(folder, talk)
        except _Ill as ill:
            if ill.finding:
                warnings.warn(str(prescribe(folder, ill.finding)), stacklevel=2)


def _go_on(folder: Path, talk: Talk) -> Path:
    settings = read_run(folder)
    rank, processes = join_processes()
    if rank == 0:
        _sweep(folder)
        settle(folder)
    if processes > 1:
        torch.distributed.barrier()
    settings = replace(
        settings, arrays=str(folder / settings.arrays), device=_device(settings.device)
    )
    recipe = replace(
        RECIPES[settings.recipe].told(Path(settings.table) if settings.table else None),
        steps=settings.steps, batch=settings.batch, seed=settings.seed,
    )  # fmt: skip
    learner, done, state = _resumed(folder, recipe, settings, processes)
    batches = recipe.batches(Path(settings.arrays), "train", rank)
    settings = replace(settings, data=settings.data + _left_out(batches))

    def draw(step: int) -> Any:
        """Return the batch of a step, on the device."""
        return moved(batches.batch(step, recipe.batch), settings.device)

    if rank > 0:
        fit(learner, draw, steps=recipe.steps, start=done, report=lambda *_: _agree(settings))
        return folder / f"{recipe.weights}.safetensors"
    with closing(_journal(folder, recipe, settings, learner, done)) as journal:
        journal.load_state_dict(state)

        def report(step: int, logged: dict[str, float]) -> None:
            """Write a step down, agree with the other processes, and tell it."""
            _agree(settings, journal(step, logged))
            talk(step, settings.steps, logged)

        fit(learner, draw, steps=recipe.steps, start=done, report=report)
        return _finish(folder, recipe, settings, journal)


def _resumed(
    folder: Path, recipe: Recipe, settings: Settings, processes: int
) -> tuple[Learner, int, dict[str, Any]]:
    """Return the learner as it was last saved, or as it begins; cured as the record says."""
    found = newest_snapshot(folder / "checkpoints")
    learner = _build(recipe, settings, processes, start=None if found else settings.start)
    done, state = found or (0, {})
    if state:
        learner.load_state_dict(state)
    behind = state.get("doctor", {}).get("cures", 0)
    for cure in carried_out(read_cures(folder))[behind:]:
        learner.slow(cure.slower, sides=cure.finding.slows)
    return learner, done, state


def _agree(settings: Settings, finding: Finding | None = None) -> None:
    """Stop every process where the first has found something."""
    if not everywhere(torch.tensor(finding is None, device=settings.device)):
        raise _Ill(finding)


def _journal(
    folder: Path, recipe: Recipe, settings: Settings, learner: Learner, done: int
) -> Journal:
    cases = recipe.batches(Path(settings.arrays), "validate", 0)
    watched = [cases.batch(n, recipe.batch) for n in range(CHECKED)]

    def look(step: int) -> Look:
        """Look at the first of the learner's networks, on cases it does not learn from."""
        title = f"{recipe.name}, step {step}"
        return recipe.look(learner.networks[0], watched, settings.device, title)

    every = settings.save_every, settings.log_every
    return Journal(
        folder, learner, look, name=recipe.name, steps=settings.steps, every=every, done=done
    )


def _finish(folder: Path, recipe: Recipe, settings: Settings, journal: Journal) -> Path:
    """Write the weights with their cards; return the first file."""
    paths = [folder / f"{name}.safetensors" for name in recipe.made]
    numbers = journal.look(settings.steps).numbers
    training = {
        "recipe": recipe.name, "steps": settings.steps, "batch": settings.batch,
        "seed": settings.seed, "start": settings.start and Path(settings.start).stem,
        "seconds": journal.seconds(),
    }  # fmt: skip
    seen = {NOTED.get(name, f"validation_{name}"): round(n, 4) for name, n in numbers.items()}
    if journal.cures:
        training["cures"] = on_card(journal.cures)
    for which, (path, network) in enumerate(zip(paths, journal.learner.networks, strict=True)):
        own = training if which else training | seen  # the first network is the one looked at
        save_weights(path, network, _card(recipe, settings, which, own))
    return paths[0]


def _card(recipe: Recipe, settings: Settings, which: int, training: dict[str, Any]) -> Card:
    return Card(
        name=recipe.made[which],
        network=recipe.model.func.__name__,
        intensity=rule_as_json(recipe.intensity),
        data=settings.data,
        licence=settings.licence,
        training=training,
        interval=training.get("validation_interval", 0.0),
        **recipe.card(which),
    )


def _build(recipe: Recipe, settings: Settings, processes: int, *, start: str | None) -> Learner:
    torch.manual_seed(recipe.seed)  # the only place where weights are drawn
    model = channels_last(recipe.model(), recipe.dims).to(settings.device)
    if recipe.draw:
        recipe.draw(model)
    if start:
        warm_start(model, load_weights(start).model)
    trained = nn.parallel.DistributedDataParallel(model) if processes > 1 else model
    learner: Learner = recipe.learner(trained, steps=recipe.steps)
    return learner


def warm_start(model: nn.Module, other: nn.Module) -> None:
    """Take over every weight whose name and shape are the same; the rest stays as drawn.

    A deeper AcuityNet grows out of a shallower one, and a network that has the other as one of
    its parts takes it over as that part.
    """
    if isinstance(model, AcuityNet) and isinstance(other, AcuityNet) and model.holds(other):
        model.grow_from(other)
        return
    own = model.state_dict()
    given = other.state_dict()
    places = ["", *(f"{name}." for name, _ in model.named_children())]
    found = [{place + name: value for name, value in given.items()} for place in places]
    fits = ({k: v for k, v in each.items() if k in own and own[k].shape == v.shape}
            for each in found)  # fmt: skip
    same = max(fits, key=len)
    if not same:
        raise UsageError(
            "the weights to start from have nothing in common with this network; name others "
            "with --start, or --start none"
        )
    model.load_state_dict(own | same)


def _left_out(batches: Batches) -> str:
    if not batches.left_out:
        return ""
    return f"; {batches.left_out} of {batches.found} variants smaller than a patch"


def moved(batch: Any, device: str) -> Any:
    """Return a batch, a tuple of tensors, on the device; images have their channels last."""

    def move(x: Tensor | None) -> Tensor | None:
        """Return a tensor on the device; labels and nothing keep their layout."""
        if x is None or x.ndim < 4:  # labels, or none
            return x if x is None else x.to(device)
        return x.to(device).contiguous(memory_format=LAYOUTS[x.ndim - 2])

    return type(batch)(*map(move, batch))


def join_processes() -> tuple[int, int]:
    """Join the others that torchrun started; alone, be rank 0 of 1."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and not torch.distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        kind = "nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(kind, timeout=LONGEST_WAIT)
    return int(os.environ.get("RANK", "0")), processes


def _device(name: str) -> str:
    """Return the device of this process; the loader's thread would take the first one."""
    return f"cuda:{torch.cuda.current_device()}" if name == "cuda" else name


def _sweep(folder: Path) -> None:
    """Remove what a killed run was writing when it died."""
    for part in [*folder.glob(".*.part"), *(folder / "checkpoints").glob(".*.part")]:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()
