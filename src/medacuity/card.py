"""The card of a weight file: what it says of itself, all of it JSON, none of it believed unseen."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from medacuity.blueprint import MOST, purpose_of
from medacuity.errors import UsageError
from medacuity.intensity import Fixed, Intensity, Percentile, Picture, Rule

SCANNERS = ("kspace", "block mean", "bicubic")  # as trust.consistency knows them
WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ()*+._/%-]{0,39}")
NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9 +_-]{0,39}")  # become names of files
AXES = ("RL", "AP", "SI")
SPACINGS = (1e-3, 1e3)  # mm


@dataclass(frozen=True)
class Images:
    """Images of one kind, which a network takes or gives.

    Args:
        contrast: What they show, such as ``"T1"``, ``"PET"`` or ``"chest X-ray"``.
        unit: What a value means, as in `Volume`.
    """

    contrast: str = ""
    unit: str = "a.u."


@dataclass(frozen=True)
class Card:
    """What a weight file says of itself; all of it JSON.

    Args:
        name: What ``--model`` calls it.
        network: Name in one of the tables of networks.
        arguments: The network's arguments; the ``scale`` of a network that enlarges is the
            factor of the largest one the file holds.
        scales: The factors it serves besides, per axis: with ``[[2, 2], [3, 3]]`` the network
            is also built with these scales, from the same weights or a part of them.
        intensity: Rule by which scanner numbers become the unit range; a generator, which is
            given none, makes numbers by it, so there it is ``fixed``.
        task: One line: what goes in and what comes out.
        measured_by: How the scanner is taken to have made the input: ``"kspace"``,
            ``"block mean"`` or ``"bicubic"``; data consistency is checked against it.
        noise: Range of noise it was made for, over the brightness of the input.
        data: What it was trained on.
        licence: Terms of the weights, from those of the scans.
        training: Steps, seed, seconds and whatever else tells how it was made.
        measured: Figures on scans no training saw, by the script that is named there.
        input: What it takes, where that is not what it gives.
        output: What it gives.
        output_intensity: Rule, ``fixed``, by which a result gets its numbers; none: results
            get the scale of the input, which is enough where they have no unit.
        spacing: mm between voxels along the network's axes, in training; none: any.
        orientation: Where the network's axes point, such as ``"LP"`` for axial slices as they
            are looked at; none: ``"RA"``, ``"RAS"``.
        patch: Voxels per axis in training. A network that normalises the image it sees runs
            over volumes in windows of this size; none: the whole volume at once.
        classes: What labels mean: those of the images that may be asked for, or, of a network
            that takes a label map, its values from 0.
        interval: Of a network that also gives the logarithm of its expected error: errors
            within which 90 % of voxels of a patient lay that no training saw; 0: it gives none.
    """

    name: str
    network: str
    arguments: dict[str, Any]
    intensity: dict[str, Any]
    task: str = ""
    measured_by: str = "kspace"
    noise: tuple[float, float] = (0.0, 0.0)
    data: str = ""
    licence: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    scales: list[list[int]] = field(default_factory=list)
    input: Images = field(default_factory=Images)
    output: Images = field(default_factory=Images)
    output_intensity: dict[str, Any] = field(default_factory=dict)
    spacing: list[float] = field(default_factory=list)
    orientation: str = ""
    patch: list[int] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    interval: float = 0.0

    @property
    def purpose(self) -> str:
        """What it is for: enhance, synthesize, generate, which are commands, or compare."""
        return purpose_of(self.network)

    @property
    def dims(self) -> int:
        """Spatial axes of what it takes and gives."""
        return int(self.arguments["dims"])

    @property
    def served(self) -> list[tuple[int, ...]]:
        """All factors it enlarges by, per axis, smallest first."""
        own = [self.arguments["scale"]] if "scale" in self.arguments else []
        every = {tuple(scale) for scale in (*own, *self.scales)}
        return sorted(every, key=lambda scale: (math.prod(scale), scale))

    @property
    def directions(self) -> str:
        """Where the network's axes point in the patient, a letter each."""
        return self.orientation or "RAS"[: self.dims]

    @property
    def labels(self) -> list[str]:
        """What may be asked of a generator: the names of its classes, or their numbers."""
        count = int(self.arguments.get("classes", 0))
        return self.classes or [str(n) for n in range(count)]

    @property
    def offer(self) -> str:
        """What it does, in a word or two: ``"x2 x3"``, ``"T1 to T2"``, names of classes."""
        if self.purpose == "synthesize":
            return f"{self.input.contrast} to {self.output.contrast}"
        return " ".join(map(in_short, self.served)) or ", ".join(self.labels)

    def rule(self) -> Rule:
        """Return the intensity rule."""
        return rule_from(self.intensity)

    def back(self, given: Intensity | None = None) -> Intensity:
        """Return the map from the unit range to the numbers of a result.

        Args:
            given: The map that the input got; a generator has none.
        """
        rule = rule_from(self.output_intensity) if self.output_intensity else self.rule()
        if isinstance(rule, Fixed):
            return Intensity(rule.low, rule.high)
        if given is None:
            raise UsageError(f"{self.name[:80]} needs an input to tell the scale of its result")
        return given

    def expect(self, purpose: str, weights: str) -> None:
        """Refuse weights that are for something else, and say for what.

        Args:
            purpose: What they should be for.
            weights: The name or file by which they were asked for.

        Raises:
            UsageError: They are for another command.
        """
        if self.purpose != purpose:
            instead = {
                "compare": "it compares images, and runs under no command",
                "": f"its network, {self.network[:80]}, is not known",
            }.get(self.purpose, f"it is for `medacuity {self.purpose} --model {weights}`")
            raise UsageError(f"{weights} cannot {purpose}; {instead}")


def rule_from(table: dict[str, Any]) -> Rule:
    """Return the rule that a card holds."""
    kinds: dict[str, type[Percentile] | type[Fixed] | type[Picture]] = {
        "percentile": Percentile,
        "fixed": Fixed,
        "picture": Picture,
    }
    arguments = dict(table)
    return kinds[arguments.pop("kind")](**arguments)


def rule_as_json(rule: Rule) -> dict[str, Any]:
    """Return a rule the way a card holds it."""
    return {"kind": type(rule).__name__.lower(), **asdict(rule)}


def in_short(scale: Sequence[int]) -> str:
    """Return a factor as people say it: ``"x2"``, or ``"1x1x4"`` where the axes differ."""
    return f"x{scale[0]}" if len(set(scale)) == 1 else "x".join(map(str, scale))


def parse(text: str) -> Card:
    """Return the card in a file's header; fields that came later may be missing.

    Raises:
        AttributeError, KeyError, RecursionError, TypeError, ValueError: It does not hold.
    """
    card = Card(**json.loads(text))
    sides = {side: getattr(card, side) for side in ("input", "output")}
    read = {side: Images(**value) for side, value in sides.items() if isinstance(value, dict)}
    card = replace(card, **read)  # type: ignore[arg-type]
    _check(card)
    low, high = card.noise
    return replace(card, noise=(low, high))


def _check(card: Card) -> None:
    """Refuse a card whose fields are of another kind than they should be."""
    texts = (card.name, card.network, card.task, card.data, card.licence, card.orientation)
    tables = (card.arguments, card.intensity, card.training, card.measured, card.output_intensity)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("names and notes must be text")
    if not all(isinstance(table, dict) for table in tables):
        raise TypeError("arguments, intensity, training and measured must be tables")
    if card.measured_by not in SCANNERS:
        raise ValueError(f"measured_by must be one of {SCANNERS}")
    low, high = card.noise
    if not 0 <= low <= high < math.inf:
        raise ValueError("noise must be a range")
    card.rule()
    _check_scales(card)
    _check_grid(card)
    _check_sides(card)
    _check_purpose(card)


def _check_scales(card: Card) -> None:
    """Refuse factors that are not whole numbers for every axis of the network."""
    if not isinstance(card.scales, list) or len(card.scales) > MOST:
        raise TypeError("scales must be a list")
    own = [card.arguments["scale"]] if card.purpose in ("enhance", "") else []
    for scale in (*own, *card.scales):
        if not isinstance(scale, list | tuple) or len(scale) != card.arguments["dims"]:
            raise TypeError("a scale must be a list, one number per axis")
        if not all(type(n) is int and 1 <= n <= MOST for n in scale):
            raise ValueError(f"a scale must be whole numbers from 1 to {MOST}")


def _check_grid(card: Card) -> None:
    """Refuse a grid that no network could have been trained on."""
    dims = card.arguments["dims"]
    if type(dims) is not int or dims not in (2, 3):
        raise ValueError("dims must be 2 or 3")
    for what, low, high in ((card.spacing, *SPACINGS), (card.patch, 1, MOST)):
        numbers = isinstance(what, list) and all(type(n) in (int, float) for n in what)
        if not numbers or len(what) not in (0, dims) or not all(low <= n <= high for n in what):
            raise ValueError("spacing and patch must be numbers, one per axis")
    if not all(type(n) is int for n in card.patch):
        raise TypeError("patch must be whole numbers")
    used = [axis for letter in card.directions for axis in AXES if letter in axis]
    if not len(card.directions) == len(used) == len(set(used)) == dims:
        raise ValueError("orientation must be letters of RAS or LPI, one per axis")


def _check_sides(card: Card) -> None:
    """Refuse words that are not short, or would not be safe as the name of a file."""
    for side in (card.input, card.output):
        if not isinstance(side, Images) or not WORDS.fullmatch(side.unit):
            raise ValueError("input and output must be images, with units")
        if side.contrast and not NAMES.fullmatch(side.contrast.replace("*", "")):
            raise ValueError("a contrast must be a short name")
    if not isinstance(card.classes, list) or len(card.classes) > MOST:
        raise TypeError("classes must be a list")
    if not all(NAMES.fullmatch(name) for name in card.classes):
        raise ValueError("classes must be short names")


def _check_purpose(card: Card) -> None:
    """Refuse a card that does not say what its network's command has to know."""
    own = card.output.unit != "a.u."
    if card.purpose == "synthesize" and own and not card.output_intensity:
        raise ValueError("a result in a unit needs an intensity rule of its own")
    if type(card.interval) not in (int, float) or not 0 <= card.interval < math.inf:
        raise ValueError("interval must be a number >= 0")
    if card.output_intensity and not isinstance(rule_from(card.output_intensity), Fixed):
        raise ValueError("the intensity of a result must be fixed: there is nothing to tell it by")
    if card.purpose == "generate":
        count = card.arguments.get("classes", 0)
        if not isinstance(card.rule(), Fixed):
            raise ValueError("the intensity of a generator must be fixed")
        if type(count) is not int or not 0 <= count <= MOST or len(card.classes) not in (0, count):
            raise ValueError("there must be a name for every class")
