"""What a study is: questions, images, who is compared, and how; kept in ``study.json``.

A study is a folder: ``study.json``, ``stimuli/`` with one file of 16-bit slices per stimulus, and
(unless another database is named) ``ratings.sqlite``. Nothing here needs numpy, so that the
server starts quickly and has little that can go wrong.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from medacuity.errors import MalformedInput, StorageError
from medacuity.study.scales import Grade, Item, Panels, Slider, way_of

FORMAT = 1
DESIGN, STIMULI, DATABASE = "study.json", "stimuli", "ratings.sqlite"
BYTES_LIMIT = 64 * 2**20
ORIGINAL, NEAREST = "original", "nearest"
"""Names of the anchors among the methods: the best that there is, and the worst."""


class Layout(StrEnum):
    """How two panels are shown."""

    SINGLE = "single"
    BESIDE = "side-by-side"
    FLICKER = "flicker"
    CHOICE = "choice"


class Viewer(StrEnum):
    """Whether volumes may also be turned in space."""

    SLICES = "slices"
    VOLUME = "volume"


@dataclass(frozen=True)
class Image:
    """What all versions of a case share: grid, map to scanner numbers, and window.

    Args:
        slices: Slices of the stack; rows and columns likewise.
        rows: From top to bottom.
        columns: From left to right.
        spacing: Between slices, rows and columns, in mm.
        first: The slice shown first.
        low: The scanner number that is stored as 0; high as 65535.
        high: See low.
        unit: Of scanner numbers.
        window: Scanner numbers shown black and white at first.
        left: What lies at the left edge: ``R``, ``A``, or nothing for pictures.
    """

    slices: int
    rows: int
    columns: int
    spacing: tuple[float, float, float]
    first: int
    low: float
    high: float
    unit: str
    window: tuple[float, float]
    left: str

    @property
    def bytes(self) -> int:
        """The size of each of its stimuli on the wire."""
        return 2 * self.slices * self.rows * self.columns


@dataclass(frozen=True)
class Stimulus:
    """One version of one case.

    Args:
        file: Its name below ``stimuli/``; random, so that it tells nothing.
        case: The patient's scan.
        method: What made it; empty for an attention check.
        expected: The score that an attention check asks for; None elsewhere.
    """

    file: str
    case: str
    method: str
    expected: float | None = None

    @property
    def is_check(self) -> bool:
        """Whether it judges the rater, and no method."""
        return not self.method


@dataclass(frozen=True)
class Study:
    """A rating study.

    Args:
        identity: Random; its database bears it too, so that studies are never mixed.
        title: What raters read on top.
        instructions: What raters read before they begin.
        scale: A key of ``SCALES``.
        items: The questions.
        layout: Of two panels.
        viewer: Slices, or a volume too.
        methods: What is compared, anchors included.
        images: What the versions of a case share, by case.
        stimuli: All versions, and the attention checks.
        training: Cases that are shown first, to learn the scale, and not counted.
        repeats: How many trials each rater sees twice.
        rounds: How many versions (or pairs) of each case a rater sees; 0 for all.
        seed: Of every order.
    """

    identity: str
    title: str
    instructions: str
    scale: str
    items: tuple[Item, ...]
    layout: Layout
    viewer: Viewer
    methods: tuple[str, ...]
    images: Mapping[str, Image]
    stimuli: tuple[Stimulus, ...]
    training: tuple[str, ...] = ()
    repeats: int = 0
    rounds: int = 0
    seed: int = 0

    @property
    def panels(self) -> Panels:
        """What a trial shows."""
        return way_of(self.scale).panels

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases that count."""
        return tuple(case for case in self.images if case not in self.training)

    def index_of(self, case: str, method: str) -> int:
        """Return the place of a version among the stimuli."""
        return self._places[case, method]

    @cached_property
    def _places(self) -> dict[tuple[str, str], int]:
        return {(s.case, s.method): n for n, s in enumerate(self.stimuli) if not s.is_check}


def to_json(study: Study) -> str:
    """Return a study as the text of ``study.json``."""
    return json.dumps({"format": FORMAT, **asdict(study)}, indent=1) + "\n"


def from_json(text: str | bytes) -> Study:
    """Return the study that ``study.json`` describes.

    Raises:
        MalformedInput: It is not one, or was changed into something that cannot be.
    """
    try:
        values = json.loads(text)
        if values.pop("format") != FORMAT:
            raise ValueError("it was made by another version of medacuity")
        study = _study(values)
        _check(study)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedInput(f"{DESIGN} is no study ({_short(error)}); create it again") from error
    return study


def load(folder: str | Path) -> Study:
    """Return the study in a folder.

    Raises:
        StorageError: There is none.
        MalformedInput: It is damaged.
    """
    path = Path(folder) / DESIGN
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_LIMIT + 1)
    except OSError as error:
        raise StorageError(
            "this folder holds no study; medacuity study create makes one", path=folder
        ) from error
    return from_json(text[: BYTES_LIMIT + 1])


def _study(values: dict[str, Any]) -> Study:
    made: dict[str, Any] = {
        "images": {case: _image(given) for case, given in values.pop("images").items()},
        "stimuli": tuple(Stimulus(**given) for given in values.pop("stimuli")),
        "items": tuple(_item(given) for given in values.pop("items")),
        "layout": Layout(values.pop("layout")),
        "viewer": Viewer(values.pop("viewer")),
        "methods": tuple(values.pop("methods")),
        "training": tuple(values.pop("training")),
    }
    return Study(**made, **values)


def _image(values: dict[str, Any]) -> Image:
    spacing, window = tuple(values.pop("spacing")), tuple(values.pop("window"))
    return Image(spacing=spacing, window=window, **values)


def _item(values: dict[str, Any]) -> Item:
    choices = tuple(Grade(**given) for given in values.pop("choices"))
    slider = values.pop("slider")
    return Item(choices=choices, slider=slider and Slider(**slider), **values)


def _check(study: Study) -> None:
    """Refuse what would only be found out while somebody rates."""
    for stimulus in study.stimuli:
        if not stimulus.file.isalnum() or stimulus.case not in study.images:
            raise ValueError("a stimulus has no case, or an odd name")
    wanted = {(case, method) for case in study.images for method in study.methods}
    if wanted - set(study._places) or not study.items or not study.cases:
        raise ValueError("a case lacks a version, or there is none")
    for image in study.images.values():
        sizes = (image.slices, image.rows, image.columns)
        if any(type(n) is not int or n < 1 for n in sizes) or not image.high > image.low:
            raise ValueError("an image has no size")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:80]
