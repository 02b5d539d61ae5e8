"""``medacuity train`` and ``resume``."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import say, steps_bar


def train(
    recipe: Annotated[str, typer.Argument(help="What to train; `medacuity train list` names all.")],
    data: Annotated[Path | None, typer.Option(help="Folder of scans, or a table of them.")] = None,
    cases: Annotated[Path | None, typer.Option(
        help="CSV of path, patient, split, licence; default: DATA/cases.csv.")] = None,
    output: Annotated[Path | None, typer.Option("-o", help="Folder of the run.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Updates of the weights.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Patches in a batch.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides every draw.")] = None,
    variants: Annotated[int | None, typer.Option(min=1, help="Degradations per case.")] = None,
    start: Annotated[str | None, typer.Option(help="Weights to start from; none for none.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:  # fmt: skip
    """Train a network on a folder of scans."""
    from medacuity.training.session import Wish, begin, menu

    if recipe == "list":
        print("\n".join(menu()))
        return
    wish = Wish(
        recipe=recipe, data=data, cases=cases, steps=steps, batch=batch, seed=seed,
        variants=variants, start=start, device=device,
    )  # fmt: skip
    with steps_bar() as show:
        weights = begin(output or Path("runs") / recipe, wish, report=show, say=say)
    say(f"weights: {weights}")


def resume(run: Annotated[Path, typer.Argument(help="Folder of the run.")]) -> None:
    """Go on with a run, bit for bit as if it had never stopped."""
    from medacuity.training.session import go_on

    with steps_bar() as show:
        weights = go_on(run, report=show)
    say(f"weights: {weights}")
