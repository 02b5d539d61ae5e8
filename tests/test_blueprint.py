"""A file may name networks of four kinds, and nothing about them is believed before it is bounded.

- Every network of the tables is found by its name and knows what it is for; no name is in two.
- Shapes take no memory, however large the network that a file asks for.
- What would build without end, pad without end, or does not fit is refused by its reason.
"""

import resource
from itertools import combinations
from pathlib import Path

import pytest

from medacuity.blueprint import TABLES, build, purpose_of, shapes_of
from medacuity.errors import WeightsRefused

HERE = Path("hostile.safetensors")


def test_every_network_knows_what_it_is_for():
    assert {purpose_of(name) for table in TABLES.values() for name in table} == {
        "enhance", "synthesize", "generate", "reconstruct", "compare",
    }  # fmt: skip
    assert not any(set(a) & set(b) for a, b in combinations(TABLES.values(), 2))
    assert purpose_of("PatchGAN") == purpose_of("Nonesuch") == ""


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("FineUNet", {"dims": 3, "width": 4, "depth": 2}),
        ("UNetGenerator", {"dims": 2, "width": 4, "depth": 3}),
        ("ResNetGenerator", {"dims": 2, "width": 4, "blocks": 1}),
        ("DCGANGenerator", {"dims": 2, "size": 16, "width": 4, "classes": 3}),
        ("FeatureNet", {"dims": 2, "widths": [4, 8]}),
        ("ESPCN", {"dims": 3, "scale": [1, 1, 2]}),
    ],
)
def test_shapes_are_those_of_what_is_built(network, arguments):
    built = {name: tuple(v.shape) for name, v in build(network, arguments).state_dict().items()}
    assert shapes_of(network, arguments, HERE) == built


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("UNetGenerator", {"dims": 3, "depth": 10, "width": 1024}),
        ("ResNetGenerator", {"dims": 3, "blocks": 64, "width": 1024}),
        ("DCGANGenerator", {"dims": 3, "size": 1024, "width": 1024, "latent": 1024}),
    ],
)
def test_shapes_of_giants_take_no_memory(network, arguments):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert shapes_of(network, arguments, HERE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    ("network", "arguments", "words"),
    [
        ("PatchGAN", {"dims": 2}, "known are"),
        ("../../etc", {}, "known are"),
        ("N" * 10_000, {}, "known are"),
        ("UNetGenerator", {"dims": 2, "depth": 11, "width": 1}, "multiples of at most 1024"),
        ("ResNetGenerator", {"dims": 2, "blocks": 10**9}, "from 0 to 1024"),
        ("ResNetGenerator", {"dims": 2, "blocks": [1] * 10_000}, "at most 1024"),
        ("ResNetGenerator", {"dims": 2, "blocks": "9"}, "must be numbers"),
        ("ResNetGenerator", {"dims": 5}, "dims must be 2"),
        ("ResNetGenerator", {"dims": 2, "surprise": 1}, "surprise"),
        ("DCGANGenerator", {"dims": 2, "size": 1000}, "power of two"),
        ("UNetGenerator", {"dims": 2, "dropout": 1.0}, "dropout"),
        ("FeatureNet", {"dims": 2, "layers": ["relu1_1"]}, "must be numbers"),
        ("FeatureNet", {"dims": 2, "widths": [1024] * 2000}, "at most 1024"),
    ],
)
def test_what_does_not_fit_is_refused(network, arguments, words):
    with pytest.raises(WeightsRefused, match=words) as refused:
        shapes_of(network, arguments, HERE)
    assert len(str(refused.value)) < 500
