"""``medacuity demo``: the main job on a real scan that every installation has."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import say


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the pictures.")] = Path(
        "demo"
    ),
) -> None:
    """Sharpen a real MR image and a phantom; end with pictures and a table."""
    from medacuity.demo import run_demo

    table, pictures = run_demo(output)
    print(table)
    for picture in pictures:
        say(f"picture: {picture}")
