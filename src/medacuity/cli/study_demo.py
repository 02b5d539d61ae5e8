"""``medacuity study demo``: a rating study on images that every installation has."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, say
from medacuity.errors import UsageError


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of images and study; kept if it exists.")
    ] = Path("study-demo"),
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any that is free.")] = 8000,
    create_only: Annotated[bool, typer.Option(help="Make the study, and end.")] = False,
) -> None:
    """Open a study on shipped images: rate four versions of MR heads in your browser."""
    if importlib.util.find_spec("starlette") is None:
        raise UsageError("rating studies need more packages: pip install 'medacuity[study]'")
    from medacuity.study.invite import links
    from medacuity.study.serve import Place, listen, serve
    from medacuity.study.showcase import showcase

    folder = output / "study"
    if not folder.exists():
        with bars() as show:
            showcase(output, report=show)
    if create_only:
        say(f"next: medacuity study demo --output {output}")
        return
    with listen(Place(port=port)) as listening:
        place = Place(port=listening.getsockname()[1])
        for each in links(folder, place, [], count=1, administrator=True):
            print(f"{each['name']}\t{each['link']}", flush=True)
        say("open the first link to rate, the second to watch; Ctrl-C ends it")
        serve(folder, place, listening)
