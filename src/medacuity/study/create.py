"""From folders of results to a study: cases matched by name, rendered, and written as a whole."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from numpy.typing import NDArray

from medacuity import formats
from medacuity.atomic import atomic_folder, atomic_write
from medacuity.errors import MedacuityError, UsageError
from medacuity.formats.listing import stem
from medacuity.study.attention import possible, sentence, written
from medacuity.study.design import (
    DESIGN,
    NEAREST,
    ORIGINAL,
    STIMULI,
    Image,
    Layout,
    Stimulus,
    Study,
    Viewer,
    to_json,
)
from medacuity.study.render import Look, as_seen, is_picture, render
from medacuity.study.scales import Panels, items_for, way_of
from medacuity.volume import Volume

Report = Callable[[str, int, int], None]
LONGEST_NAME = 80


@dataclass(frozen=True)
class Wanted:
    """What a study shall be.

    Args:
        methods: Folder of results (or one scan) by the method's name.
        original: Folder of the best images that there are: the upper anchor, the reference of
            ``dcr``, the hidden reference of ``acr-hr``.
        nearest: Folder of the methods' inputs; shown enlarged by nearest neighbour, they are
            the lower anchor.
        scale: A key of ``SCALES``.
        questions: What raters are asked; the scale's own question if empty.
        labels: Words for the grades, the worst first.
        title: What raters read on top.
        instructions: What raters read before they begin.
        training: How many cases are set aside to learn the scale on.
        repeats: How many trials each rater sees twice.
        checks: How many attention checks each rater sees.
        rounds: How many versions (or pairs) of each case a rater sees; 0 for all.
        look: How images are cut and windowed.
        layout: Of two panels; None for side by side.
        viewer: Slices, or a volume too.
        seed: Of every order.
    """

    methods: Mapping[str, Path]
    original: Path | None = None
    nearest: Path | None = None
    scale: str = "acr"
    questions: Sequence[str] = ()
    labels: Sequence[str] = ()
    title: str = "Image quality"
    instructions: str = ""
    training: int = 0
    repeats: int = 0
    checks: int = 0
    rounds: int = 0
    look: Look = field(default_factory=Look)
    layout: Layout | None = None
    viewer: Viewer = Viewer.SLICES
    seed: int = 0


def create(folder: str | Path, wanted: Wanted, *, report: Report | None = None) -> Study:
    """Write a study into a new folder, whole or not at all, and return it.

    Args:
        folder: New, or empty.
        wanted: What the study shall be.
        report: Told what is done, how far, of how much.

    Raises:
        UsageError: The wishes contradict each other, or cases and methods do not match.
        UnsafeGeometry: The versions of a case are not on one grid.
        StorageError: The folder exists and is not empty, or the disk is full.
    """
    items = tuple(items_for(wanted.scale, wanted.questions, wanted.labels))
    versions = _versions(wanted)
    cases = matched(versions, anchors=(ORIGINAL, NEAREST))
    _check_wishes(wanted, len(cases))
    training = tuple(
        sorted(Random(f"{wanted.seed}/training").sample(sorted(cases), wanted.training))
    )
    images: dict[str, Image] = {}
    stimuli: list[Stimulus] = []
    study = Study(
        identity=secrets.token_hex(8), title=wanted.title, instructions=wanted.instructions,
        scale=wanted.scale, items=items, layout=_layout(wanted), viewer=wanted.viewer,
        methods=tuple(versions), images=images, stimuli=(), training=training,
        repeats=wanted.repeats, rounds=wanted.rounds, seed=wanted.seed,
    )  # fmt: skip
    checks = _checks(study, sorted(set(cases) - set(training)), wanted.checks)
    with atomic_folder(folder) as beside:
        (beside / STIMULI).mkdir()
        for done, (case, paths) in enumerate(sorted(cases.items())):
            if report:
                report("rendering", done, len(cases))
            images[case], slices = _rendered(case, paths, wanted.look)
            stimuli += [_written(beside, case, name, array) for name, array in slices.items()]
            plain = slices[ORIGINAL if ORIGINAL in slices else study.methods[0]]
            for expected in checks.get(case, ()):
                lines = sentence(items[0], expected, study.panels)
                asking = written(plain, images[case], lines)
                stimuli.append(_written(beside, case, "", asking, expected=expected))
        study = replace(study, stimuli=tuple(stimuli))
        with atomic_write(beside / DESIGN) as file:
            file.write(to_json(study).encode())
    return study


def matched(versions: Mapping[str, Path], *, anchors: Sequence[str]) -> dict[str, dict[str, Path]]:
    """Return the scans of each case by method, matched by their names below each folder.

    Where every folder holds a single scan, those belong together whatever they are called.

    Args:
        versions: Folder, or a single scan, by method.
        anchors: Methods whose folders may hold more cases than are needed.

    Raises:
        UsageError: A method lacks a case, or two scans of a method have one name.
    """
    found = {method: _scans(folder) for method, folder in versions.items()}
    if all(len(scans) == 1 for scans in found.values()):
        case = next(iter(next(iter(found.values()))))
        return {case: {m: next(iter(scans.values())) for m, scans in found.items()}}
    compared = {m: scans for m, scans in found.items() if m not in anchors}
    cases = sorted({case for scans in compared.values() for case in scans})
    for method, scans in found.items():
        lacking = [case for case in cases if case not in scans]
        if lacking:
            raise UsageError(
                f"every method needs every case, under the same name; {method} lacks "
                f"{', '.join(lacking[:3])}{' and more' if len(lacking) > 3 else ''} "
                f"({versions[method]})"
            )
    return {case: {m: scans[case] for m, scans in found.items()} for case in cases}


def _scans(folder: Path) -> dict[str, Path]:
    scans: dict[str, Path] = {}
    for path in formats.scans_in(folder):
        inside = path.relative_to(folder).parent if path != folder else Path()
        name = (inside / stem(path)).as_posix()
        if name in scans:
            raise UsageError(f"cases need names of their own; {folder} has two called {name}")
        scans[name] = path
    if not scans:
        raise UsageError(f"no scan lies in {folder}; it takes {formats.KINDS}")
    return scans


def _versions(wanted: Wanted) -> dict[str, Path]:
    least = 2 if way_of(wanted.scale).panels is Panels.PAIR else 1
    anchors = {ORIGINAL: wanted.original, NEAREST: wanted.nearest}
    given = {name: Path(folder) for name, folder in anchors.items() if folder is not None}
    if not wanted.methods or len(wanted.methods) + len(given) < least:
        raise UsageError(
            f"{wanted.scale} needs {'two versions' if least == 2 else 'a method'} at least; name "
            "each as --method NAME=FOLDER"
        )
    for name in wanted.methods:
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
            raise UsageError(f"a method has a name of 1 to {LONGEST_NAME} letters, got {name!r}")
        if name in (ORIGINAL, NEAREST):
            raise UsageError(f"{name} is the name of an anchor; give it as --{name} FOLDER")
    return {**{name: Path(folder) for name, folder in wanted.methods.items()}, **given}


def _check_wishes(wanted: Wanted, cases: int) -> None:
    """Refuse what cannot be rated, before anything is rendered."""
    panels = way_of(wanted.scale).panels
    versions = len(_versions(wanted))
    if wanted.original is None and wanted.scale in ("dcr", "acr-hr"):
        raise UsageError(f"{wanted.scale} needs the reference; name it as --original FOLDER")
    if not 0 <= wanted.training < cases:
        raise UsageError(
            f"cases for training are set aside, so there must be fewer than the {cases} that "
            f"there are; got {wanted.training}"
        )
    each = versions * (versions - 1) // 2 if panels is Panels.PAIR else versions
    each -= panels is Panels.REFERENCE
    if not 0 <= wanted.rounds <= each:
        raise UsageError(f"a case can be shown in 1 to {each} rounds, got {wanted.rounds}")
    trials = (wanted.rounds or each) * (cases - wanted.training)
    if not 0 <= wanted.repeats <= trials or not 0 <= wanted.checks <= trials:
        raise UsageError(
            f"a rater sees {trials} trials, so there can be 0 to {trials} repeats and checks; got "
            f"{wanted.repeats} and {wanted.checks}"
        )


def _layout(wanted: Wanted) -> Layout:
    if way_of(wanted.scale).panels is Panels.SINGLE:
        if wanted.layout not in (None, Layout.SINGLE):
            raise UsageError(f"{wanted.scale} shows one image; there is nothing to lay out")
        return Layout.SINGLE
    return Layout.BESIDE if wanted.layout in (None, Layout.SINGLE) else wanted.layout


def _checks(study: Study, cases: list[str], wanted: int) -> dict[str, list[float]]:
    """Return what the attention checks on each case ask for."""
    answers = possible(study.items[0], study.panels)
    rng = Random(f"{study.seed}/checks")
    found: dict[str, list[float]] = {}
    for n in range(wanted):
        found.setdefault(rng.choice(cases), []).append(answers[n % len(answers)])
    return found


def _rendered(
    case: str, paths: Mapping[str, Path], look: Look
) -> tuple[Image, dict[str, NDArray[Any]]]:
    volumes = {method: _read(path) for method, path in paths.items()}
    if NEAREST in volumes:
        size = next(volume for method, volume in volumes.items() if method != NEAREST)
        volumes[NEAREST] = enlarged(volumes[NEAREST], size)
    try:
        return render(volumes, look)
    except MedacuityError as error:
        raise type(error)(f"case {case}: {error.reason}") from error


def _read(path: Path) -> Volume:
    volumes = formats.read(path).volumes
    if len(volumes) != 1:
        raise UsageError(f"raters see one volume per file, this has {len(volumes)}", path=path)
    return volumes[0]


def enlarged(volume: Volume, like: Volume) -> Volume:
    """Return a volume on the grid of another of the same field of view, by nearest neighbour."""
    import torch

    from medacuity.resize import nearest, resize

    seen, grid = as_seen(volume), as_seen(like)
    x = torch.from_numpy(seen.array.astype("float32"))
    array = resize(x, grid.shape, nearest).numpy()
    if is_picture(volume) and is_picture(like):  # pictures have no place: they are as large
        return grid.with_array(array)
    return seen.resampled(array)


def _written(
    folder: Path, case: str, method: str, slices: NDArray[Any], *, expected: float | None = None
) -> Stimulus:
    file = secrets.token_hex(8)
    with atomic_write(folder / STIMULI / file) as out:
        out.write(slices.tobytes())
    return Stimulus(file, case, method, expected)
