"""``medacuity study``: what people see; from folders of results to a served rating study."""

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from medacuity.cli.study_demo import demo
from medacuity.cli.study_results import analyse, plan, report, simulate
from medacuity.cli.talk import bars, say, show_json
from medacuity.errors import UsageError

app = typer.Typer(help="Rating studies: create, serve, report.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the study.")]
Database = Annotated[
    str | None, typer.Option(help="postgresql://...; SQLite in the folder without it.")
]
Address = Annotated[
    str | None,
    typer.Option("--url", help="What raters see as address: https://study.hospital.org."),
]
Port = Annotated[int, typer.Option(help="Port to listen on.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

Word = TypeVar("Word", bound=StrEnum)

NEEDED = ("sqlalchemy", "starlette", "uvicorn", "jinja2")


@app.command()
def create(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the study.")],
    method: Annotated[list[str] | None, typer.Option(
        "--method", "--methods", help="NAME=FOLDER of results; again for each method.")] = None,
    original: Annotated[Path | None, typer.Option(
        help="Folder of the best images: the upper anchor and (hidden) reference.")] = None,
    nearest: Annotated[Path | None, typer.Option(
        help="Folder of the methods' inputs; enlarged by nearest neighbour, the lower anchor."),
    ] = None,
    scale: Annotated[str, typer.Option(
        help="acr, acr-hr, dcr, pairwise, forced-choice, slider or likert.")] = "acr",
    question: Annotated[list[str] | None, typer.Option(
        help="What is asked; again for more items.")] = None,
    label: Annotated[list[str] | None, typer.Option(
        help="Word for a grade, the worst first; again for each.")] = None,
    title: Annotated[str, typer.Option(help="What raters read on top.")] = "Image quality",
    instructions: Annotated[str, typer.Option(
        help="What raters read first; @FILE takes it from a file.")] = "",
    training: Annotated[int, typer.Option(help="Cases set aside to learn the scale on.")] = 0,
    repeats: Annotated[int, typer.Option(help="Trials each rater sees twice.")] = 0,
    checks: Annotated[int, typer.Option(help="Attention checks each rater sees.")] = 0,
    rounds: Annotated[int, typer.Option(
        help="Versions (or pairs) of a case each rater sees; 0 for all.")] = 0,
    window: Annotated[str | None, typer.Option(
        help="LOW:HIGH scanner numbers shown black and white at first.")] = None,
    axis: Annotated[str | None, typer.Option(help="axial, coronal or sagittal.")] = None,
    slices: Annotated[int | None, typer.Option(help="Slices around the middle.")] = None,
    layout: Annotated[str | None, typer.Option(
        help="Two images: side-by-side, flicker or choice.")] = None,
    viewer: Annotated[str, typer.Option(help="slices, or volume for NiiVue too.")] = "slices",
    seed: Annotated[int, typer.Option(help="Of every order.")] = 0,
) -> None:  # fmt: skip
    """Make a study of folders of results (NIfTI, DICOM, PNG): blinded, balanced, seeded."""
    from medacuity.study.create import Wanted
    from medacuity.study.create import create as create_study
    from medacuity.study.design import Layout, Viewer
    from medacuity.study.render import Look

    wanted = Wanted(
        _methods(method or []), original, nearest, scale, tuple(question or ()),
        tuple(label or ()), title, _text(instructions), training, repeats, checks, rounds,
        Look(axis, slices, _window(window)), _one_of(Layout, layout) if layout else None,
        _one_of(Viewer, viewer), seed,
    )  # fmt: skip
    with bars() as show:
        study = create_study(folder, wanted, report=show)
    say(f"{len(study.cases)} cases in {len(study.methods)} versions: {folder}")
    say(f"next: medacuity study invite {folder} NAME ..., then medacuity study serve {folder}")


@app.command()
def invite(
    folder: Folder,
    names: Annotated[list[str] | None, typer.Argument(
        metavar="[NAME]...", help="Names of raters; pseudonyms will do.")] = None,
    count: Annotated[int, typer.Option(help="Invite so many, named R01, R02, ...")] = 0,
    renew: Annotated[int | None, typer.Option(
        help="Number of a rater whose link shall be a new one.")] = None,
    admin: Annotated[bool, typer.Option(help="A new link for the administrator.")] = False,
    url: Address = None,
    port: Port = 8000,
    database: Database = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Invite raters; their links are printed this once, and open the study for whoever has them."""
    _check_installed()
    from medacuity.study.invite import links
    from medacuity.study.serve import Place

    place = Place(port=port, address=url, database=database)
    found = links(folder, place, names or [], count=count, renew=renew, administrator=admin)
    if as_json:
        show_json(found)
    else:
        for each in found:
            print(f"{each['name']}\t{each['link']}")


@app.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Network address to listen on.")] = "127.0.0.1",
    port: Port = 8000,
    url: Address = None,
    proxy: Annotated[str | None, typer.Option(
        help="Network address of the proxy before it, which says who asks.")] = None,
    database: Database = None,
) -> None:  # fmt: skip
    """Serve a study until Ctrl-C."""
    _check_installed()
    from medacuity.study.serve import Place, administrator_link, listen
    from medacuity.study.serve import serve as serve_study

    with listen(Place(host, port, url, proxy, database)) as listening:
        place = Place(host, listening.getsockname()[1], url, proxy, database)
        link = administrator_link(folder, place)
        if link:
            say(f"administrator (shown this once): {link}")
        say(f"serving {folder} at {place.url}; Ctrl-C ends it")
        serve_study(folder, place, listening)


@app.command()
def status(folder: Folder, database: Database = None, as_json: AsJson = False) -> None:
    """Show how far every rater is."""
    _check_installed()
    from medacuity.study.invite import status as status_of

    found = status_of(folder, database)
    if as_json:
        show_json(found)
        return
    print(f"{found['title']}: {found['answers']} answers")
    for each in found["raters"]:
        state = "withdrawn" if each["withdrawn"] else "finished" if each["finished"] else ""
        done = f"{each['answered']:>5} of {each['total']:<5}"
        print(f"{each['number']:>4}  {each['name']:<20} {done} {state}")


for command in (report, analyse, plan, simulate, demo):
    app.command()(command)


def _check_installed() -> None:
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise UsageError("rating studies need more packages: pip install 'medacuity[study]'")


def _methods(given: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for each in given:
        name, equals, folder = each.partition("=")
        if not equals or not folder:
            raise UsageError(f"a method is given as NAME=FOLDER, got {each!r}")
        if name in found:
            raise UsageError(f"methods need names of their own; {name!r} came twice")
        found[name] = Path(folder)
    return found


def _window(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    low, _, high = text.partition(":")
    try:
        found = (float(low), float(high))
    except ValueError:
        found = (0.0, 0.0)
    if not found[0] < found[1]:
        raise UsageError(f"a window is LOW:HIGH with LOW below HIGH, got {text!r}")
    return found


def _text(given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the instructions cannot be read as text from {given[1:]}") from error


def _one_of(kind: type[Word], given: str) -> Word:
    try:
        return kind(given)
    except ValueError:
        raise UsageError(f"one of {', '.join(kind)} is needed, got {given!r}") from None
