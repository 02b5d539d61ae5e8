"""Weight files of small networks with known answers, for what runs translators and generators."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from medacuity.checkpoint import Card, Images, rule_as_json, save_weights
from medacuity.intensity import Fixed, Percentile
from medacuity.models import TRANSLATORS, UNetGenerator

UNET = {"dims": 2, "width": 4, "depth": 2, "dropout": 0.0, "instance": True, "resize": True}
T1_T2 = Card(
    name="t1-t2", network="UNetGenerator", arguments=UNET,
    intensity=rule_as_json(Percentile()), task="T2 of T1", input=Images("T1"),
    output=Images("T2"), licence="CC0",
)  # fmt: skip


class Plain(nn.Module):
    """Half of what it is given, plus where it is along its axes: 10 of the first, 1 of the last.

    So its answer tells which axis it took for which, and in which direction.
    """

    halo: int | None = None

    def __init__(self, *, dims: int, multiple: int = 1, channels: int = 1) -> None:
        super().__init__()
        self.dims, self.multiple, self.scale = dims, multiple, (1,) * dims
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.place = nn.Parameter(torch.tensor(0.0))
        self.weights = torch.arange(1.0, channels + 1)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Return the image, having checked that the sizes are those that were promised."""
        self.seen.append(tuple(x.shape))
        if any(n % self.multiple for n in x.shape[2:]):
            raise ValueError(f"no multiples of {self.multiple}: {tuple(x.shape)}")
        channels = self.weights.reshape(-1, *[1] * self.dims)
        y = self.gain * (x * channels).sum(1, keepdim=True)
        for axis in range(self.dims):
            steps = torch.arange(x.shape[2 + axis]).reshape(-1, *[1] * (self.dims - axis - 1))
            y = y + self.place * 10.0 ** (1 - axis) * steps
        return y


def unet(folder: Path, **changes: object) -> Path:
    """Write a U-Net of chance weights, larger than at the start so that it does something."""
    card = replace(T1_T2, **changes)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = UNetGenerator(**card.arguments)
    for weight in model.parameters():
        weight.data.mul_(8)
    path = folder / f"{card.name}.safetensors"
    save_weights(path, model, card)
    return path


def plain(folder: Path, *, gain: float = 0.5, place: float = 0.0, **changes: object) -> Path:
    """Write a `Plain` network; needs the fixture `plain_network`."""
    card = replace(T1_T2, name="plain", network="Plain", arguments={"dims": 2})
    card = replace(card, intensity=rule_as_json(Fixed(0.0, 1.0)))
    card = replace(card, **changes)  # type: ignore[arg-type]
    model = Plain(**card.arguments)
    model.gain.data.fill_(gain)
    model.place.data.fill_(place)
    path = folder / f"{card.name}.safetensors"
    save_weights(path, model, card, half=False)
    return path


@pytest.fixture
def plain_network(monkeypatch: pytest.MonkeyPatch) -> type[Plain]:
    """Let files name the `Plain` network."""
    monkeypatch.setitem(TRANSLATORS, "Plain", Plain)
    return Plain
