"""Learn from pairs: make the prediction look like the target."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medacuity.errors import UsageError
from medacuity.losses import Loss
from medacuity.resize import cubic, resize
from medacuity.training.learners.descent import Descent, Sides, gradient_norm


class Batch(NamedTuple):
    """Patches, unit range: input ``(B, C, *S)``, target ``(B, C, *(S * scale))``."""

    input: Tensor
    target: Tensor


Objective = Callable[[nn.Module, Batch], Tensor]
"""``objective(model, batch)`` -> a scalar to minimise."""


def paired(model: nn.Module, batch: Batch, *, loss: Loss, border: int = 0) -> Tensor:
    """Compare the prediction with the target.

    Args:
        model: The network.
        batch: Patches.
        loss: Of prediction and target.
        border: Voxels of the target's border left out: where a network without padding has
            no result.
    """
    prediction, target = model(batch.input).float(), batch.target
    for axis in range(2, target.ndim):
        inside = target.shape[axis] - 2 * border
        prediction, target = (x.narrow(axis, border, inside) for x in (prediction, target))
    return loss(prediction, target)


def pyramid(model: nn.Module, batch: Batch, *, loss: Loss) -> Tensor:
    """Compare every level of a Laplacian pyramid with the target, reduced to its size.

    The sum over the levels (Lai et al., CVPR 2017); reduced by antialiased cubic.
    """
    ratio = max(n / m for n, m in zip(batch.target.shape[2:], batch.input.shape[2:], strict=True))
    total = batch.target.new_zeros(())
    for level in model(batch.input, levels=max(1, math.ceil(math.log2(ratio)))):
        target = resize(batch.target, level.shape[2:], cubic)
        total = total + loss(level.float(), target)
    return total


def pyramids(model: nn.Module, batch: Batch, *, loss: Loss, factors: Sequence[int]) -> Tensor:
    """Train one pyramid for several factors: each has its part of the batch (MS-LapSRN).

    The parts' inputs are reductions of their targets, as in the authors' code; the batch's own
    input is not looked at.
    """
    if len(batch.target) < len(factors):
        raise UsageError(
            f"a batch needs a patch for each of the factors {factors}, got {len(batch.target)}"
        )
    total = batch.target.new_zeros(())
    parts = batch.target.tensor_split(len(factors))
    for factor, target in zip(factors, parts, strict=True):
        given = resize(target, [n // factor for n in target.shape[2:]], cubic)
        total = total + pyramid(model, Batch(given, target), loss=loss) / len(factors)
    return total


class Supervised:
    """One step down the gradient of an objective; a non-finite one never reaches the weights.

    Args:
        model: The network; it is trained in place.
        objective: What to minimise.
        steps: Length of the whole schedule.
        descent: Optimiser, schedule and clipping.
        half: Compute in bfloat16, weights stay float32; None: where the hardware is made for it.
    """

    def __init__(
        self, model: nn.Module, *, objective: Objective, steps: int, descent: Descent,
        half: bool | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.objective = objective
        self.steps = steps
        self.descent = descent
        self.half = made_for_half(model) if half is None else half
        self.done = 0
        self.pace = 1.0
        self.optimiser = descent.optimiser(model)

    @property
    def networks(self) -> list[nn.Module]:
        """What a run ends with: the network."""
        return [inner(self.model)]

    def step(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; return what to log, ``skipped`` = 1 if it was not finite."""
        share = self.pace * self.descent.schedule(self.done, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * share
        before = [buffer.clone() for buffer in self.model.buffers()]  # statistics of batch norm
        with torch.autocast(batch.input.device.type, torch.bfloat16, enabled=self.half):
            loss = self.objective(self.model, batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = gradient_norm(self.optimiser)
        finite = everywhere(torch.isfinite(norm) & torch.isfinite(loss))
        if finite:
            self.descent.clip(self.optimiser)
            self.optimiser.step()
        else:
            for buffer, sound in zip(self.model.buffers(), before, strict=True):
                buffer.copy_(sound)
        self.done += 1
        rate = max(group["lr"] for group in self.optimiser.param_groups)
        return {"loss": float(loss.detach()), "gradient": float(norm), "rate": rate,
                "skipped": float(not finite)}  # fmt: skip

    def slow(self, by: float, *, sides: Sides) -> None:
        """Multiply all rates from here on; it is part of the state. There is no critic."""
        if sides != "critic":
            self.pace *= by

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next step depends on."""
        return {
            "model": inner(self.model).state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
            "pace": self.pace,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never stopped."""
        inner(self.model).load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = int(state["done"])
        self.pace = float(state.get("pace", 1.0))  # runs begun before there was one


def inner(model: nn.Module) -> nn.Module:
    """Return the network itself, whether several processes share it or not."""
    parallel = nn.parallel.DistributedDataParallel
    return model.module if isinstance(model, parallel) else model


def everywhere(finite: Tensor) -> bool:
    """Return whether it holds in every process: all of them skip a step, or none."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        finite = finite.float()
        torch.distributed.all_reduce(finite, torch.distributed.ReduceOp.MIN)
    return bool(finite)


def made_for_half(model: nn.Module) -> bool:
    """Tell whether bfloat16 is faster on the device of the model, and not merely possible."""
    if next(model.parameters()).is_cuda:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
