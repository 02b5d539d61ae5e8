"""What a network costs: its weights, multiply-adds per output pixel, milliseconds per megapixel.

Multiply-adds are those of the convolutions, as super-resolution papers count them: a transposed
convolution at its input, nothing for activations and normalisation, and nothing for what is
computed once per picture (channel attention), which is lost among a million pixels.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from medacuity.models import fsrcnn
from medacuity.nd import CONV, UNCONV, channels_last

SIDE = 512  # of the output that is timed
LARGEST = 40e9  # multiply-adds of a timed run; a heavier network gets a smaller picture
RUNS = 3
COUNTED = 4  # input pixels along each axis, for counting

Make = Callable[..., Any]
"""``make(scale=2, dims=2)`` -> a network."""


def parameters(make: Make, scale: int) -> int:
    """Return how many numbers the network learns; takes no memory for them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in make(scale=scale, dims=2).parameters())


def multiply_adds(make: Make, scale: int, channels: int = 1) -> float:
    """Return the multiply-adds of the convolutions per output pixel.

    Counted by running the network, with its weights left as memory happens to be.
    """
    with torch.device("meta"):
        model = make(scale=scale, dims=2).eval()
    total = 0

    def count(layer: Any, given: tuple[Tensor], result: Tensor) -> None:
        nonlocal total
        spread = given[0] if isinstance(layer, tuple(UNCONV.values())) else result
        pixels = math.prod(spread.shape[2:])
        if pixels > 1:
            total += pixels * layer.weight.numel()

    for layer in model.modules():
        if isinstance(layer, (*CONV.values(), *UNCONV.values())):
            layer.register_forward_hook(count)
    with torch.inference_mode(), _transposed_as_such():
        result = model.to_empty(device="cpu")(torch.zeros(1, channels, COUNTED, COUNTED))
    return float(total / math.prod(result.shape[2:]))


def milliseconds(make: Make, scale: int, cost: float) -> float:
    """Return the median time per megapixel of output, on as many threads as torch has now.

    Args:
        make: Builds the network; its weights stay as drawn.
        scale: Output pixels per input pixel, per axis.
        cost: Its multiply-adds per output pixel; decides how large a picture is timed.
    """
    side = min(SIDE, int(math.sqrt(LARGEST / cost))) // scale
    torch.manual_seed(0)
    model = channels_last(make(scale=scale, dims=2), 2).eval()
    x = torch.rand(1, 1, side, side).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        model(x)
        return (
            statistics.median(_seconds(model, x) for _ in range(RUNS)) * 1e9 / (side * scale) ** 2
        )


def _seconds(model: nn.Module, x: Tensor) -> float:
    began = time.perf_counter()
    model(x)
    return time.perf_counter() - began


@contextmanager
def _transposed_as_such() -> Iterator[None]:
    """Let FSRCNN call its transposed convolution, which it computes by ordinary ones."""
    with patch.object(fsrcnn, "unconv_by_phases", lambda layer, x: layer(x)):
        yield
