"""A weight file holds numbers and a card, and is trusted only after it was checked.

- What is saved is loaded: the network gives the same numbers, the card says the same, half
  precision is a choice.
- One file may serve several factors: every one that its card lists, and no other, is built from
  the same weights or a part of them.
- Damaged, foreign, unfitting, non-finite or greedy files are refused as `WeightsRefused` (exit
  code 6), a missing one as `StorageError` (7), an unknown name as `UsageError` (2), before
  memory is spent and without anything in the file being run.
- Non-finite weights are never written, and a failed write leaves the old file.
"""

import json
import os
import pickle
import struct
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from medacuity.blueprint import build
from medacuity.checkpoint import (
    Card,
    file_sha256,
    find_weights,
    load_weights,
    read_card,
    rule_as_json,
    save_weights,
    shipped,
)
from medacuity.errors import StorageError, UsageError, WeightsRefused
from medacuity.intensity import Fixed, Percentile, Picture
from medacuity.models import ESPCN, NETWORKS

ARGUMENTS = {"scale": [1, 2], "dims": 2, "width": 8}
CARD = Card(
    name="tiny", network="ESPCN", arguments=ARGUMENTS, intensity=rule_as_json(Percentile()),
    noise=(0.01, 0.05), training={"steps": 3}, measured={"gain_db": 1.5},
)  # fmt: skip


@pytest.fixture
def model() -> ESPCN:
    """Return a small network with weights that half precision holds exactly."""
    model = ESPCN(scale=(1, 2), dims=2, width=8)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half())
    return model


@pytest.fixture
def path(tmp_path, model) -> Path:
    """Return a sound weight file."""
    save_weights(tmp_path / "tiny.safetensors", model, CARD)
    return tmp_path / "tiny.safetensors"


def write(path: Path, tensors: dict[str, Any], card: Any) -> Path:
    """Write a file behind the package's back."""
    save_file(tensors, path, {"card": card if isinstance(card, str) else json.dumps(card)})
    return path


def as_json(**changes: Any) -> dict[str, Any]:
    """Return the sound card as JSON, with some fields changed."""
    return {**json.loads(json.dumps(asdict(CARD))), **changes}


def test_what_is_saved_is_loaded(path, model):
    trained = load_weights(path)
    x = torch.rand(1, 1, 7, 9)
    assert torch.equal(trained.model(x), model(x))
    assert trained.card == CARD == read_card(path)
    assert trained.sha256 == file_sha256(path)
    assert not trained.model.training
    assert not any(weight.requires_grad for weight in trained.model.parameters())


def test_precision_is_a_choice(tmp_path, model):
    with torch.no_grad():
        model.body[0].weight.mul_(1.0001)
    exact, half = tmp_path / "exact.safetensors", tmp_path / "half.safetensors"
    save_weights(exact, model, CARD, half=False)
    save_weights(half, model, CARD)
    assert torch.equal(load_weights(exact).model.body[0].weight, model.body[0].weight)
    np.testing.assert_allclose(
        load_weights(half).model.body[0].weight, model.body[0].weight.detach(), rtol=1e-3, atol=1e-7
    )
    weights = sum(weight.numel() for weight in model.parameters())
    assert half.stat().st_size < 2 * weights + 1500


def test_the_same_weights_make_the_same_bytes(tmp_path, path, model):
    save_weights(tmp_path / "again.safetensors", model, CARD)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("rule", [Percentile(), Percentile(99), Fixed(-160, 240), Picture()])
def test_the_card_carries_the_intensity_rule(rule):
    assert replace(CARD, intensity=rule_as_json(rule)).rule() == rule


class Pyramid(nn.Module):
    """Enlarges twofold as often as it takes: a network for x2 is a part of one for x4."""

    dims, halo, multiple = 2, 0, 1

    def __init__(self, *, scale: list[int], dims: int) -> None:
        super().__init__()
        self.scale = tuple(scale)
        self.levels = nn.ModuleList(
            nn.Linear(1, 3 if scale[0] == 3 else 4) for _ in range(scale[0] // 2)
        )


@pytest.fixture
def several(tmp_path, monkeypatch) -> Path:
    """Return a file for x4 that says it also serves x2, and, which is not true, x3 and x8."""
    monkeypatch.setitem(NETWORKS, "Pyramid", Pyramid)
    arguments = {"scale": [4, 4], "dims": 2}
    card = Card("pyramid", "Pyramid", arguments, {"kind": "picture"},
                scales=[[2, 2], [3, 3], [8, 8]])  # fmt: skip
    save_weights(tmp_path / "pyramid.safetensors", Pyramid(**arguments), card)
    return tmp_path / "pyramid.safetensors"


def test_a_file_serves_every_factor_of_its_card(several):
    assert read_card(several).served == [(2, 2), (3, 3), (4, 4), (8, 8)]
    whole, part = load_weights(several), load_weights(several, scale=(2, 2))
    assert (whole.model.scale, part.model.scale) == ((4, 4), (2, 2))
    assert load_weights(several, scale=[4, 4]).model.scale == (4, 4)
    assert list(part.model.state_dict()) == ["levels.0.weight", "levels.0.bias"]
    for name, value in part.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name])
    assert part.card == whole.card
    assert part.sha256 == whole.sha256


@pytest.mark.parametrize("factor", [3, 8])
def test_a_factor_the_weights_do_not_hold_is_refused(several, factor):
    with pytest.raises(WeightsRefused, match=f"do not fit Pyramid at x{factor}"):
        load_weights(several, scale=[factor, factor])


def test_a_factor_the_card_does_not_list_is_named(several, path):
    with pytest.raises(UsageError, match="pyramid enlarges by x2, x3, x4, x8, and x5 was"):
        load_weights(several, scale=[5, 5])
    with pytest.raises(UsageError, match="tiny enlarges by 1x2, and x2 was"):
        load_weights(path, scale=[2, 2])


def test_cards_from_before_there_were_factors_still_load(path, model):
    old = as_json()
    del old["scales"]
    assert read_card(write(path, dict(model.state_dict()), old)) == CARD
    assert load_weights(path).card.served == [(1, 2)]


def test_what_has_one_number_per_channel_stays_exact(tmp_path, monkeypatch):
    class Normed(nn.Module):
        def __init__(self, *, scale: list[int], dims: int) -> None:
            super().__init__()
            self.norm, self.slope = nn.BatchNorm2d(3), nn.PReLU()

    monkeypatch.setitem(NETWORKS, "Normed", Normed)
    arguments = {"scale": [1, 1], "dims": 2}
    model = Normed(**arguments)
    model.norm.running_var.copy_(torch.tensor([1e-9, 1 / 3, 1e6]))  # half holds none of them
    model.norm.num_batches_tracked.fill_(1_000_001)
    path = tmp_path / "normed.safetensors"
    save_weights(path, model, Card("normed", "Normed", arguments, {"kind": "picture"}))
    for name, value in load_weights(path).model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_nothing_not_finite_is_written(path, model):
    before = path.read_bytes()
    for value in (float("nan"), float("inf"), 1e30):  # the last one overflows half precision
        with torch.no_grad():
            model.body[2].weight[0] = value
        with pytest.raises(WeightsRefused, match="is not finite"):
            save_weights(path, model, CARD)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_not_finite_weights_are_refused(path, model):
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    tensors["body.0.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(WeightsRefused, match=r"body\.0\.weight is not finite") as refused:
        load_weights(write(path, tensors, as_json()))
    assert refused.value.exit_code == 6
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 0.5, -1])
def test_truncated_files_are_refused(path, kept):
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    for read in (load_weights, read_card):
        with pytest.raises(WeightsRefused):
            read(path)


def test_trailing_bytes_are_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsRefused):
        load_weights(path)


@pytest.mark.parametrize("size", [1 << 20, 1 << 40, (1 << 64) - 1])
def test_headers_that_lie_about_their_size_are_refused(path, size):
    path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8:])
    with pytest.raises(WeightsRefused):
        load_weights(path)


CARDS = {
    "no card": "",
    "not JSON": "{",
    "a list": "[1]",
    "a number": "7",
    "nested without end": "[" * 100_000,
    "an unknown field": as_json(surprise=1),
    "a missing field": {k: v for k, v in as_json().items() if k != "network"},
    "a network that is a list": as_json(network=["ESPCN"]),
    "an unknown network": as_json(network="Nonesuch"),
    "a network by path": as_json(network="os.system"),
    "arguments that are a list": as_json(arguments=[1]),
    "an argument too many": as_json(arguments={**ARGUMENTS, "surprise": 1}),
    "an argument missing": as_json(arguments={"dims": 2}),
    "an argument that is text": as_json(arguments={**ARGUMENTS, "width": "8"}),
    "an argument that is not whole": as_json(arguments={**ARGUMENTS, "width": 8.5}),
    "a negative argument": as_json(arguments={**ARGUMENTS, "width": -8}),
    "a huge argument": as_json(arguments={**ARGUMENTS, "width": 10**9}),
    "another width": as_json(arguments={**ARGUMENTS, "width": 16}),
    "depths that multiply": as_json(
        network="RCAN", arguments={**ARGUMENTS, "groups": 1000, "blocks": 1000}
    ),
    "lists that multiply": as_json(
        network="MSLapSRN",
        arguments={**ARGUMENTS, "convolutions": [1] * 1000, "recursions": 1000},
    ),
    "all of memory": as_json(arguments={"scale": [1000] * 3, "dims": 3, "width": 1000}),
    "other dims": as_json(arguments={**ARGUMENTS, "dims": 4}),
    "other scale": as_json(arguments={**ARGUMENTS, "scale": [0, 2]}),
    "an unknown intensity": as_json(intensity={"kind": "magic"}),
    "an impossible intensity": as_json(intensity={"kind": "percentile", "percent": 500}),
    "an inverted intensity": as_json(intensity={"kind": "fixed", "low": 1, "high": 0}),
    "noise that is text": as_json(noise="loud"),
    "a measurement nobody knows": as_json(measured_by="magic"),
    "a name that is a number": as_json(name=3),
    "factors that are a number": as_json(scales=2),
    "a factor that is a number": as_json(scales=[2]),
    "a factor for another number of axes": as_json(scales=[[2]]),
    "a factor that is not whole": as_json(scales=[[2, 1.5]]),
    "a factor of nothing": as_json(scales=[[2, 0]]),
    "a huge factor": as_json(scales=[[2, 10**9]]),
}


@pytest.mark.parametrize(
    "arguments", [{}, {"dims": 2}, {"scale": [2, 2]}, {"scale": 2, "dims": 2}, {"scale": [2] * 3}]
)
def test_a_card_alone_says_what_it_enlarges_or_is_refused(path, model, arguments):
    write(path, dict(model.state_dict()), as_json(arguments=arguments))
    with pytest.raises(WeightsRefused, match="has no card"):
        read_card(path)


@pytest.mark.parametrize("what", CARDS)
def test_cards_that_do_not_hold_are_refused(path, model, what):
    write(path, dict(model.state_dict()), CARDS[what])
    with pytest.raises(WeightsRefused) as refused:
        load_weights(path)
    assert len(str(refused.value)) < 400


def test_a_file_without_metadata_is_refused(path, model):
    save_file(model.state_dict(), path)
    with pytest.raises(WeightsRefused, match="has no card"):
        load_weights(path)


@pytest.mark.parametrize("fault", ["missing", "extra", "shape", "kind"])
def test_weights_that_do_not_fit_are_refused(path, model, fault):
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    if fault == "missing":
        del tensors["body.0.bias"]
    elif fault == "extra":
        tensors["more"] = torch.zeros(1)
    elif fault == "shape":
        tensors["body.0.bias"] = torch.zeros(9)
    else:
        tensors["body.0.bias"] = torch.zeros(8, dtype=torch.int64)
    with pytest.raises(WeightsRefused, match="its weights"):
        load_weights(write(path, tensors, as_json()))


class Bomb:
    """Runs when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.marker),))


def test_nothing_in_a_file_is_run(tmp_path):
    marker, path = tmp_path / "it ran", tmp_path / "bomb.safetensors"
    seen: list[str] = []
    watching = [True]

    def hook(event: str, _: Any) -> None:
        if watching and event in ("os.system", "subprocess.Popen", "pickle.find_class"):
            seen.append(event)

    sys.addaudithook(hook)
    torch.save({"card": Bomb(marker)}, path)
    for data in (pickle.dumps(Bomb(marker)), path.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(WeightsRefused):
            load_weights(path)
    watching.clear()
    assert not marker.exists()
    assert not seen


def test_missing_files_and_names_are_told_apart(tmp_path):
    for name in (tmp_path / "none.safetensors", "none.safetensors", tmp_path):
        with pytest.raises(StorageError) as missing:
            load_weights(name)
        assert missing.value.exit_code == 7
    with pytest.raises(StorageError):
        read_card(tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match="no weights are called 'mri-9d'"):
        find_weights("mri-9d")


def test_every_shipped_weight_file_is_sound():
    for name, path in shipped().items():
        trained = load_weights(name)
        assert trained.card.name == name
        assert trained.card.licence
        assert trained.card.data
        assert path.stat().st_size <= 6_000_000


def test_build_names_what_is_known():
    with pytest.raises(WeightsRefused, match=r"known are .*ESPCN"):
        build("Nonesuch", {})
