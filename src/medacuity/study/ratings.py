"""Ratings: who saw what and said what. Plain values, so that a server can make them.

Neither numpy nor torch is needed here; what is computed from ratings stands in
``metrics.opinion``, what is printed of them in ``study.report``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

TIE = ""
"""What a :class:`Choice` says where neither was chosen."""


@dataclass(frozen=True)
class Rating:
    """One score that one rater gave to one stimulus.

    Args:
        rater: Who rated; any name that stays the same.
        stimulus: What was rated: one picture or volume, the same name for all raters.
        score: The score, on the scale of the question.
        method: What made the stimulus; empty where that is not known.
        case: The patient's scan that the stimulus shows.
        session: The sitting in which it was rated.
        question: What was asked; empty where there was one question only.
        repeat: 0 for the first time that this rater saw it, 1 for the second, and so on.
        seconds: The time that the answer took; NaN where it was not measured.
    """

    rater: str
    stimulus: str
    score: float
    method: str = ""
    case: str = ""
    session: str = ""
    question: str = ""
    repeat: int = 0
    seconds: float = math.nan


@dataclass(frozen=True)
class Choice:
    """One rater's choice between two methods on one case; ``chosen`` is ``TIE`` for neither.

    Args:
        rater: Who chose.
        case: The patient's scan that both show.
        question: What was asked.
        first: The method shown first, or on the left.
        second: The method shown second, or on the right.
        chosen: ``first``, ``second`` or ``TIE``.
        session: The sitting.
        repeat: 0 for the first time that this rater saw the pair.
        seconds: The time that the answer took; NaN where it was not measured.
    """

    rater: str
    case: str
    question: str
    first: str
    second: str
    chosen: str
    session: str = ""
    repeat: int = 0
    seconds: float = math.nan


@dataclass(frozen=True)
class Scale:
    """What a rater can answer: numbers from ``low`` to ``high``, more is better.

    Args:
        low: The worst score.
        high: The best score.
        labels: Words for the scores, from the worst; empty for a slider.
        step: The distance of two neighbouring scores; 0 for a slider.
    """

    low: float = 1.0
    high: float = 5.0
    labels: tuple[str, ...] = ()
    step: float = 1.0


@dataclass(frozen=True)
class Check:
    """An attention check: who gives this stimulus a score outside low to high was not looking."""

    stimulus: str
    low: float
    high: float


@dataclass(frozen=True)
class Ratings:
    """All answers of a study, without those to training items.

    Args:
        ratings: Scores.
        choices: Choices between two, of a study by pairs.
        scale: The scale of every question that is not in ``scales``.
        scales: The scales of single questions.
        checks: Attention checks. Ratings of these stimuli judge the rater, not a method.
        reference: The method that is the (hidden) reference, for DMOS; empty if there is none.
        title: What the study is called.
        notes: What a reader of the results must know: columns left out, scores missing.
    """

    ratings: tuple[Rating, ...] = ()
    choices: tuple[Choice, ...] = ()
    scale: Scale = Scale()
    scales: Mapping[str, Scale] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    reference: str = ""
    title: str = ""
    notes: tuple[str, ...] = ()

    def scale_of(self, question: str) -> Scale:
        """Return the scale on which a question was answered."""
        return self.scales.get(question, self.scale)

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions, in the order in which they were first answered."""
        asked = [r.question for r in self.ratings] + [c.question for c in self.choices]
        return tuple(dict.fromkeys(asked))
