"""One run: recipe + arrays + fit + checkpoints + logs; and how it goes on after a power cut."""

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
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
from medacuity.training.fit import Learner, fit
from medacuity.training.recipes import RECIPES, Batches, Recipe
from medacuity.training.snapshots import newest_snapshot, save_snapshot
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


def resume_run(folder: Path, talk: Talk) -> Path:
    """Go on from the newest sound checkpoint, bit for bit as if never stopped."""
    settings = read_run(folder)
    rank, processes = join_processes()
    device = settings.device
    if device == "cuda":  # the loader's thread would otherwise take the first one
        device = f"cuda:{torch.cuda.current_device()}"
    settings = replace(settings, arrays=str(folder / settings.arrays), device=device)
    recipe = replace(
        RECIPES[settings.recipe], steps=settings.steps, batch=settings.batch, seed=settings.seed
    )
    found = newest_snapshot(folder / "checkpoints")
    learner = _build(recipe, settings, processes, start=None if found else settings.start)
    done, state = found or (0, None)
    if state:
        learner.load_state_dict(state)
    batches = recipe.batches(Path(settings.arrays), "train", rank)
    settings = replace(settings, data=settings.data + _left_out(batches))
    log = _Log(folder, recipe, settings, learner, talk, done, quiet=rank > 0)
    fit(
        learner, lambda step: moved(batches.batch(step, recipe.batch), settings.device),
        steps=recipe.steps, start=done, report=log,
    )  # fmt: skip
    return log.finish()


class _Log:
    """Writes what a run leaves behind: metrics.csv, pictures, checkpoints, weights."""

    def __init__(
        self, folder: Path, recipe: Recipe, settings: Settings, learner: Learner, talk: Talk,
        done: int, *, quiet: bool,
    ) -> None:  # fmt: skip
        self.folder, self.recipe, self.settings = folder, recipe, settings
        self.learner, self.talk, self.quiet = learner, talk, quiet
        if not quiet:
            _sweep(folder)
        self.rows = _rows_up_to(folder / "metrics.csv", done)
        watched = recipe.batches(Path(settings.arrays), "validate", 0)
        self.watched = [watched.batch(n, recipe.batch) for n in range(CHECKED)]

    def __call__(self, step: int, logged: dict[str, float]) -> None:
        settings, last = self.settings, step == self.settings.steps
        if self.quiet:
            return
        due = step % settings.save_every == 0 or last
        if due:
            look = self.look(step)
            logged |= look.numbers
            with atomic_write(self.folder / "validation.png") as file:
                file.write(look.picture)
        if step % settings.log_every == 0 or due:
            self.rows.append({"step": step} | logged)
            _write_rows(self.folder / "metrics.csv", self.rows)
        if due:
            save_snapshot(self.folder / "checkpoints", step, self.learner.state_dict())
        self.talk(step, settings.steps, logged)

    def look(self, step: int) -> Look:
        """Look at the first of the learner's networks, on cases it does not learn from."""
        title = f"{self.recipe.name}, step {step}"
        return self.recipe.look(self.learner.networks[0], self.watched, self.settings.device, title)

    def finish(self) -> Path:
        """Write the weights with their cards; return the first file."""
        paths = [self.folder / f"{name}.safetensors" for name in self.recipe.made]
        if not self.quiet:
            numbers = self.look(self.settings.steps).numbers
            for which, (path, network) in enumerate(zip(paths, self.learner.networks, strict=True)):
                save_weights(path, network, self._card(which, numbers))
        return paths[0]

    def _card(self, which: int, numbers: dict[str, float]) -> Card:
        recipe, settings = self.recipe, self.settings
        watched = {NOTED.get(name, f"validation_{name}"): round(value, 4)
                   for name, value in numbers.items()}  # fmt: skip
        return Card(
            name=recipe.made[which],
            network=recipe.model.func.__name__,
            intensity=rule_as_json(recipe.intensity),
            data=settings.data,
            licence=settings.licence,
            training={
                "recipe": recipe.name, "steps": settings.steps, "batch": settings.batch,
                "seed": settings.seed, "start": settings.start and Path(settings.start).stem,
                "seconds": self._seconds(),
            } | watched,
            **recipe.card(which),
        )  # fmt: skip

    def _seconds(self) -> int:
        """Return how long all steps took, by those that were logged."""
        logged = [float(row["seconds"]) for row in self.rows]
        return round(sum(logged) / len(logged) * self.settings.steps)


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

    A deeper AcuityNet grows out of a shallower one.
    """
    if isinstance(model, AcuityNet) and isinstance(other, AcuityNet) and model.holds(other):
        model.grow_from(other)
        return
    own = model.state_dict()
    same = {k: v for k, v in other.state_dict().items() if k in own and own[k].shape == v.shape}
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


def _sweep(folder: Path) -> None:
    """Remove what a killed run was writing when it died."""
    for part in [*folder.glob(".*.part"), *(folder / "checkpoints").glob(".*.part")]:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()


def _rows_up_to(path: Path, step: int) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [dict(row) for row in csv.DictReader(file) if int(row["step"]) <= step]


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
