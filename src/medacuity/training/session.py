"""From a wish to weights: find the scans, prepare them, train, resume."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import torch

from medacuity.checkpoint import find_weights, read_card
from medacuity.errors import UsageError
from medacuity.training.cases import Case
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES, Recipe
from medacuity.training.run import Settings, create_run, join_processes, read_run, resume_run
from medacuity.training.watch import WORDS, in_words

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Wish:
    """What was asked for; what is None is as the recipe says."""

    recipe: str
    data: Path | None = None
    cases: Path | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    variants: int | None = None
    start: str | None = None
    device: str = "cpu"


def menu() -> list[str]:
    """Return a line per recipe."""
    return [
        f"{name:26s} {recipe.task}{', a short run' * name.endswith('-quick')}"
        for name, recipe in RECIPES.items()
    ]


def begin(
    folder: Path, wish: Wish, *, report: Report, say: Callable[[str], None] = lambda line: None
) -> Path:
    """Prepare the scans and train; return the weight file."""
    recipe = _recipe(wish)
    if wish.data is None and recipe.needs_scans:
        raise UsageError("training needs scans: name their folder with --data")
    data, table = wish.data or folder, wish.cases
    if data.suffix.lower() == ".csv":  # a table: paths are below its folder
        data, table = data.parent, table or data
    recipe = recipe.told(table)
    cases = _cases(recipe, data, table)
    start = None if wish.start == "none" else wish.start or recipe.start
    _check_start(start)
    trained = [case for case in cases if case.split == "train"]
    settings = Settings(
        recipe=recipe.name, arrays="arrays", steps=recipe.steps, batch=recipe.batch,
        seed=recipe.seed, device=wish.device, start=start, data=recipe.described(trained),
        licence=" + ".join(terms_of(trained, start)),
        # Often enough to watch and to lose little; not so often that long runs write all day.
        save_every=min(max(500, recipe.steps // 200), max(1, recipe.steps // 4)),
        log_every=min(max(50, recipe.steps // 2000), recipe.steps),
        scans=str(data.resolve()), variants=recipe.variants,
        table=None if table is None else str(table.resolve()),
    )  # fmt: skip
    create_run(folder, settings)
    for line in recipe.said():
        say(line)
    return go_on(folder, report=report)


def go_on(folder: Path, *, report: Report) -> Path:
    """Go on where a run stopped, be it in preparation; return the weight file."""
    settings = read_run(folder)
    rank, processes = join_processes()
    if rank == 0 and settings.scans and not (folder / settings.arrays / "pairs.json").exists():
        recipe = replace(RECIPES[settings.recipe], variants=settings.variants, seed=settings.seed)
        table = Path(settings.table) if settings.table else None
        recipe = recipe.told(table)
        cases = _cases(recipe, Path(settings.scans), table)
        prepare(
            recipe, cases, folder / settings.arrays,
            report=lambda done, of: report("preparing", done, of),
        )  # fmt: skip
    if processes > 1:
        torch.distributed.barrier()
    return resume_run(folder, _talk(settings.recipe, report))


def _cases(recipe: Recipe, scans: Path, table: Path | None) -> list[Case]:
    cases = [c for c in recipe.find(scans, table) if c.split != "test"]
    if not any(c.split == "validate" for c in cases):
        return _one_to_validate(cases)
    return cases


def _recipe(wish: Wish) -> Recipe:
    if wish.recipe not in RECIPES:
        near = get_close_matches(wish.recipe, RECIPES) or ["mri-2d-x2"]
        raise UsageError(
            f"no recipe is called {wish.recipe!r}; near it are {', '.join(near)}, and "
            "`medacuity train list` names all"
        )
    recipe = RECIPES[wish.recipe]
    changed = {"steps": wish.steps, "batch": wish.batch, "seed": wish.seed,
               "variants": wish.variants}  # fmt: skip
    return replace(recipe, **{k: v for k, v in changed.items() if v is not None})  # type: ignore[arg-type]


def terms_of(cases: list[Case], start: str | None) -> list[str]:
    """Return the terms of the scans, and of the weights it starts from; made up has none."""
    owed = read_card(find_weights(start)).licence.split(" + ") if start else []
    return sorted({*(case.licence for case in cases), *owed} - {""})


def _check_start(start: str | None) -> None:
    """Look for the weights to start from before hours of preparation."""
    if start is None:
        return
    try:
        find_weights(start)
    except UsageError as error:
        raise UsageError(
            f"the recipe starts from {start!r}, which is not there: train it first and name its "
            "file with --start, or begin from nothing with --start none"
        ) from error


def _one_to_validate(cases: list[Case]) -> list[Case]:
    """Set the last patient aside, so that a run on few patients can still be watched."""
    patients = sorted({case.patient for case in cases})
    if len(patients) < 2:
        raise UsageError(
            "training needs scans of at least two patients, one of them to watch progress by"
        )
    return [replace(c, split="validate") if c.patient == patients[-1] else c for c in cases]


def _talk(name: str, report: Report) -> Callable[[int, int, dict[str, float]], None]:
    seen: dict[str, float] = {}

    def talk(step: int, of: int, logged: dict[str, float]) -> None:
        """Report a step with the latest of each number that has a word."""
        seen.update({name: value for name, value in logged.items() if name in WORDS})
        found = ", ".join(filter(None, [f"loading {logged['loading']:.0%}", in_words(seen)]))
        report(f"{name} ({found})", step, of)

    return talk
