"""A card says what a network takes and gives, and is believed only where it can be true.

- What is on it is read back; cards from before a field was there stay readable.
- It knows what the network is for, and refuses to be used for anything else, naming the command.
- A result gets its numbers by a fixed rule where it has a unit, by the input's map elsewhere.
- Fields that would mislead, take memory without end, or make unsafe names of files, are refused.
"""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from medacuity.card import Card, Images, parse, rule_as_json
from medacuity.errors import UsageError
from medacuity.intensity import Fixed, Intensity, Percentile

TRANSLATOR = Card(
    "mr-pet", "ResNetGenerator", {"dims": 3, "width": 4}, rule_as_json(Percentile()),
    input=Images("T1"), output=Images("PET", "SUV"), output_intensity=rule_as_json(Fixed(0, 20)),
    spacing=[2.0, 2.0, 2.0], orientation="RAS", patch=[32, 32, 32],
)  # fmt: skip
GENERATOR = Card(
    "cgan", "DCGANGenerator", {"dims": 2, "size": 32, "classes": 2}, rule_as_json(Fixed(0, 255)),
    output=Images("chest X-ray"), classes=["normal", "pneumonia"],
)  # fmt: skip
ENHANCER = Card("x2", "ESPCN", {"dims": 2, "scale": [2, 2]}, rule_as_json(Percentile()))


def changed(card: Card, **changes: Any) -> str:
    return json.dumps({**asdict(card), **changes})


@pytest.mark.parametrize("card", [TRANSLATOR, GENERATOR, ENHANCER])
def test_what_is_on_a_card_is_read_back(card):
    assert parse(json.dumps(asdict(card))) == card


def test_cards_from_before_there_were_translators_are_read():
    later = ("input", "output", "output_intensity", "spacing", "orientation", "patch", "classes")
    old = {k: v for k, v in asdict(ENHANCER).items() if k not in later}
    assert parse(json.dumps(old)) == ENHANCER


def test_a_card_says_what_it_is_for():
    assert [c.purpose for c in (TRANSLATOR, GENERATOR, ENHANCER)] == [
        "synthesize", "generate", "enhance",
    ]  # fmt: skip
    assert [c.offer for c in (TRANSLATOR, GENERATOR, ENHANCER)] == [
        "T1 to PET", "normal, pneumonia", "x2",
    ]  # fmt: skip
    assert (TRANSLATOR.directions, GENERATOR.directions) == ("RAS", "RA")
    assert replace(GENERATOR, classes=[]).labels == ["0", "1"]
    assert (TRANSLATOR.served, ENHANCER.served) == ([], [(2, 2)])


def test_a_network_is_not_used_for_something_else():
    for card in (TRANSLATOR, GENERATOR, ENHANCER):
        card.expect(card.purpose, "w")
    with pytest.raises(UsageError, match=r"w cannot enhance; .* `medacuity synthesize --model w`"):
        TRANSLATOR.expect("enhance", "w")
    with pytest.raises(UsageError, match="medacuity generate --model file"):
        GENERATOR.expect("synthesize", "file")
    with pytest.raises(UsageError, match="medacuity enhance --model x2"):
        ENHANCER.expect("generate", "x2")
    with pytest.raises(UsageError, match="not known"):
        replace(ENHANCER, network="Nonesuch").expect("enhance", "x2")


def test_a_result_gets_its_numbers():
    given = Intensity(0.0, 700.0)
    assert TRANSLATOR.back(given) == Intensity(0, 20)
    assert replace(TRANSLATOR, output_intensity={}).back(given) == given
    assert GENERATOR.back() == Intensity(0, 255)


REFUSED = {
    "an input that is text": (TRANSLATOR, {"input": "T1"}),
    "an input with a surprise": (TRANSLATOR, {"input": {"contrast": "T1", "surprise": 1}}),
    "an input of nothing": (ENHANCER, {"input": None}),
    "a contrast that is a number": (TRANSLATOR, {"output": {"contrast": 2}}),
    "a contrast that is a path": (TRANSLATOR, {"output": {"contrast": "../../x"}}),
    "a contrast without end": (TRANSLATOR, {"output": {"contrast": "T" * 1000}}),
    "a unit that is a number": (TRANSLATOR, {"input": {"contrast": "T1", "unit": 3}}),
    "a unit without end": (TRANSLATOR, {"input": {"unit": "m" * 1000}}),
    "a unit without numbers": (TRANSLATOR, {"output_intensity": {}}),
    "numbers by percentile": (TRANSLATOR, {"output_intensity": {"kind": "percentile"}}),
    "numbers by magic": (TRANSLATOR, {"output_intensity": {"kind": "magic"}}),
    "numbers by list": (TRANSLATOR, {"output_intensity": [0, 20]}),
    "a spacing for two axes of three": (TRANSLATOR, {"spacing": [1.0, 1.0]}),
    "a spacing of nothing": (TRANSLATOR, {"spacing": [1.0, 1.0, 0.0]}),
    "an endless spacing": (TRANSLATOR, {"spacing": [1.0, 1.0, float("inf")]}),
    "no spacing at all": (TRANSLATOR, {"spacing": [1.0, 1.0, float("nan")]}),
    "a spacing that is text": (TRANSLATOR, {"spacing": "111"}),
    "a spacing that is true": (TRANSLATOR, {"spacing": [True, True, True]}),
    "a patch of halves": (TRANSLATOR, {"patch": [32, 32, 0.5]}),
    "a huge patch": (TRANSLATOR, {"patch": [10**9] * 3}),
    "an orientation for two axes of three": (TRANSLATOR, {"orientation": "RA"}),
    "an orientation that repeats": (TRANSLATOR, {"orientation": "RLS"}),
    "an orientation nowhere": (TRANSLATOR, {"orientation": "RAX"}),
    "an orientation that is a list": (TRANSLATOR, {"orientation": ["R", "A", "S"]}),
    "four dims": (TRANSLATOR, {"arguments": {"dims": 4}, "spacing": [], "patch": []}),
    "no dims": (TRANSLATOR, {"arguments": {}}),
    "scales that are a number": (TRANSLATOR, {"scales": 2}),
    "classes that are text": (GENERATOR, {"classes": "ab"}),
    "classes too few": (GENERATOR, {"classes": ["normal"]}),
    "classes that are paths": (GENERATOR, {"classes": ["a", "../b"]}),
    "classes that are numbers": (GENERATOR, {"classes": [0, 1]}),
    "classes hidden": (GENERATOR, {"classes": [".a", "b"]}),
    "classes without end": (GENERATOR, {"arguments": {"dims": 2, "classes": 10**12}}),
    "classes without count": (GENERATOR, {"arguments": {"dims": 2, "classes": "2"}}),
    "a generator by percentile": (GENERATOR, {"intensity": {"kind": "percentile"}}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_cards_that_cannot_be_true_are_refused(what):
    card, changes = REFUSED[what]
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        parse(changed(card, **changes))
