"""The scales of a rating study: what a rater is asked, and what can be answered.

ACR, ACR-HR, DCR and pair comparison are those of ITU-T P.910, with its five grades; the words of
Likert items are the usual ones of visual grading, where a criterion is fulfilled or not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from medacuity.errors import UsageError
from medacuity.study.ratings import Scale


class Panels(StrEnum):
    """What a trial shows."""

    SINGLE = "single"
    REFERENCE = "reference"
    PAIR = "pair"


class Way(NamedTuple):
    """A way of asking: panels, grades from the worst to the best, and the usual question."""

    panels: Panels
    grades: tuple[tuple[float, str], ...]
    question: str


ACR = ((1, "Bad"), (2, "Poor"), (3, "Fair"), (4, "Good"), (5, "Excellent"))
DCR = (
    (1, "Very annoying"), (2, "Annoying"), (3, "Slightly annoying"),
    (4, "Perceptible but not annoying"), (5, "Imperceptible"),
)  # fmt: skip
LIKERT = (
    (1, "Strongly disagree"), (2, "Disagree"), (3, "Neither"), (4, "Agree"), (5, "Strongly agree"),
)  # fmt: skip
LEFT, SAME, RIGHT = (-1, "Left is better"), (0, "No difference"), (1, "Right is better")

SCALES: Mapping[str, Way] = {
    "acr": Way(Panels.SINGLE, ACR, "How good is the quality of this image?"),
    "acr-hr": Way(Panels.SINGLE, ACR, "How good is the quality of this image?"),
    "dcr": Way(Panels.REFERENCE, DCR, "How does the test image differ from the reference?"),
    "pairwise": Way(Panels.PAIR, (LEFT, SAME, RIGHT), "Which image is better?"),
    "forced-choice": Way(Panels.PAIR, (LEFT, RIGHT), "Which image is better?"),
    "slider": Way(Panels.SINGLE, (), "How good is the quality of this image?"),
    "likert": Way(Panels.SINGLE, LIKERT, "The image is good enough for a diagnosis."),
}
PAIR_KEYS = {-1: "ArrowLeft", 0: "ArrowDown", 1: "ArrowRight"}
SLIDER_END = 100.0


@dataclass(frozen=True)
class Grade:
    """An answer that can be chosen.

    Args:
        value: What is stored.
        label: What the rater reads.
        key: The key that chooses it, as browsers name it.
    """

    value: float
    label: str
    key: str


@dataclass(frozen=True)
class Slider:
    """A line between two ends, on which an answer is placed."""

    low: float
    high: float
    step: float
    left: str
    right: str


@dataclass(frozen=True)
class Item:
    """One question, and how it is answered: by one of the choices, or by a slider.

    Args:
        name: What answers call it: ``q1``, ``q2``.
        question: What the rater reads.
        choices: In the order shown; empty for a slider.
        slider: None where there are choices.
    """

    name: str
    question: str
    choices: tuple[Grade, ...]
    slider: Slider | None

    def accepts(self, value: object) -> bool:
        """Tell whether a value from outside is an answer to this.

        Example:
            >>> [items_for("acr")[0].accepts(value) for value in (5, 6, True, "5")]
            [True, False, False, False]
        """
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.slider is None:
            return value in [choice.value for choice in self.choices]
        if not math.isfinite(value) or not self.slider.low <= value <= self.slider.high:
            return False
        steps = (value - self.slider.low) / self.slider.step
        return abs(steps - round(steps)) < 1e-6

    @property
    def scale(self) -> Scale:
        """The scale as the analysis knows it."""
        if self.slider is not None:
            return Scale(self.slider.low, self.slider.high, (), 0.0)
        ordered = sorted(self.choices, key=lambda choice: choice.value)
        labels = tuple(choice.label for choice in ordered)
        return Scale(float(ordered[0].value), float(ordered[-1].value), labels, 1.0)


def way_of(scale: str) -> Way:
    """Return how a scale asks.

    Raises:
        UsageError: There is no such scale.
    """
    if scale not in SCALES:
        raise UsageError(f"the scale is one of {', '.join(SCALES)}; got {scale!r}")
    return SCALES[scale]


def items_for(scale: str, questions: Sequence[str] = (), labels: Sequence[str] = ()) -> list[Item]:
    """Return the items of a study: one per question, all on the same scale.

    Args:
        scale: A key of ``SCALES``.
        questions: What to ask; the scale's usual question if none is given.
        labels: Words for the grades instead of the usual ones, the worst first; for a slider
            its two ends. Likert items take any number from 2 to 9.

    Example:
        >>> [choice.label for choice in items_for("acr")[0].choices]
        ['Excellent', 'Good', 'Fair', 'Poor', 'Bad']
    """
    way = way_of(scale)
    asked = list(questions) or [way.question]
    if len(asked) > 20 or any(not question.strip() for question in asked):
        raise UsageError(f"a study asks 1 to 20 questions of some words each, got {len(asked)}")
    if not way.grades:
        slider = _slider(labels)
        return [Item(f"q{n}", text, (), slider) for n, text in enumerate(asked, 1)]
    grades = _grades(scale, way, labels)
    return [Item(f"q{n}", text, grades, None) for n, text in enumerate(asked, 1)]


def _slider(labels: Sequence[str]) -> Slider:
    if len(labels) not in (0, 2):
        raise UsageError(f"a slider has two ends to label, got {len(labels)} labels")
    left, right = labels or ("Bad", "Excellent")
    return Slider(0.0, SLIDER_END, 1.0, left, right)


def _grades(scale: str, way: Way, labels: Sequence[str]) -> tuple[Grade, ...]:
    values = [value for value, _ in way.grades]
    words = list(labels) or [label for _, label in way.grades]
    if scale == "likert" and 2 <= len(words) <= 9:
        values = [float(n) for n in range(1, len(words) + 1)]
    if len(words) != len(values):
        raise UsageError(f"{scale} has {len(values)} grades to label, got {len(words)} labels")
    if way.panels is Panels.PAIR:
        return tuple(Grade(v, w, PAIR_KEYS[int(v)]) for v, w in zip(values, words, strict=True))
    found = [Grade(v, w, str(int(v))) for v, w in zip(values, words, strict=True)]
    return tuple(found if scale == "likert" else reversed(found))


def items_json(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return items as the page and ``study.json`` hold them."""
    return [
        {
            "name": item.name,
            "question": item.question,
            "choices": [vars(choice) for choice in item.choices],
            "slider": None if item.slider is None else vars(item.slider),
        }
        for item in items
    ]
