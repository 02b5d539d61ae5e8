"""VGG19 as torchvision lays it out, cut off behind the deepest layer that is asked for.

From Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015. SRGAN (Ledig et al., CVPR 2017) calls ``phi_{i,j}`` what comes after
the j-th convolution, *and its activation*, before the i-th max-pooling; here ``relu{i}_{j}``,
so that VGG22 is ``relu2_2`` and VGG54 is ``relu5_4``.

Its weights are not ours to ship. Torchvision's file is a pickle, which can run code, so it is
not read here; check it against the digits in its name, and turn it into safetensors once::

    sha256sum vgg19-dcbb9e9d.pth    # must begin with dcbb9e9d
    python -c "import torch; from safetensors.torch import save_file; save_file(
        torch.load('vgg19-dcbb9e9d.pth', weights_only=True), 'vgg19.safetensors')"
    sha256sum vgg19.safetensors     # this is for load_vgg19
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from medacuity.errors import StorageError, UsageError, WeightsRefused
from medacuity.nd import POOL, conv

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Width and number of convolutions of each block; a max-pooling behind it."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue in the unit range: what the weights were trained on."""
LARGEST = 1 << 30  # bytes of a file; the whole network takes 575 MB in single precision
SUMMED = re.compile(r"-([0-9a-f]{8,64})\.safetensors$")


class VGG19(nn.Module):
    """Features of photographs; layers ``relu1_1`` ... ``relu5_4``.

    Images are set to ImageNet's mean and deviation inside. Its weights stay still and its
    batches do not mix, so that it may stand in a loss as it is.

    Args:
        layers: Names of what `forward` returns; nothing behind the deepest is built.

    Shape:
        ``(B, C, H, W)``, unit range, grey (C = 1, which becomes all three colours) or RGB ->
        a tuple of ``(B, F, H // 2**(i - 1), W // 2**(i - 1))``, one per layer of block i.

    Raises:
        ValueError: There is no such layer, or images are neither grey nor RGB.

    Example:
        >>> [tuple(layer.shape) for layer in VGG19(layers=("relu2_2",))(torch.rand(1, 1, 64, 64))]
        [(1, 128, 32, 32)]
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *, layers: Sequence[str] = ("relu5_4",)) -> None:
        super().__init__()
        unknown = [name for name in layers if name not in NAMES]
        if unknown or not layers:
            raise ValueError(f"layers must be one or several of {', '.join(NAMES)}, got {layers}")
        self.layers = tuple(layers)
        self.features = nn.Sequential(*_plan(max(NAMES[name] for name in layers)))
        for name, numbers in (("mean", MEAN), ("deviation", DEVIATION)):
            colours = torch.tensor(numbers).reshape(1, 3, 1, 1)
            self.register_buffer(name, colours, persistent=False)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the chosen layers, in the order in which they were named."""
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ValueError(
                f"VGG takes grey or RGB images (B, 1 or 3, H, W), got {tuple(x.shape)}"
            )
        x = (x - self.mean) / self.deviation  # grey becomes three colours here
        found: dict[str, Tensor] = {}
        for place, layer in enumerate(self.features):
            x = layer(x)
            found.update({name: x for name in self.layers if NAMES[name] == place})
        return tuple(found[name] for name in self.layers)


def load_vgg19(
    path: Path, *, sha256: str | None = None, layers: Sequence[str] = ("relu5_4",)
) -> VGG19:
    """Return VGG19 with the weights of a safetensors file in torchvision's names.

    Nobody but the user can say which file is meant, so the file must match its checksum:
    ``sha256``, or else the digits in its name, as torchvision names files
    (``vgg19-0123abcd.safetensors``; eight digits or more, of the safetensors file itself).

    Args:
        path: The file; the classifier's weights may be in it, and are left there.
        sha256: Hexadecimal digits with which the SHA-256 of the file begins: 8 to 64.
        layers: As for `VGG19`.

    Raises:
        StorageError: It cannot be read.
        UsageError: No checksum was given.
        WeightsRefused: Another file than the checksum says, not safetensors, or not VGG19.
    """
    model = VGG19(layers=layers)
    _check_sum(path, sha256)
    try:
        with safe_open(path, "pt") as file:
            held = set(file.keys())
            wanted = {name: value.shape for name, value in model.state_dict().items()}
            fits = held >= set(wanted) and all(
                torch.Size(file.get_slice(name).get_shape()) == shape
                for name, shape in wanted.items()
            )
            weights = {name: file.get_tensor(name).float() for name in wanted} if fits else {}
    except SafetensorError as error:
        raise WeightsRefused(
            "not a safetensors file; medacuity.models.vgg says how torchvision's becomes one",
            path=path,
        ) from error
    if not weights or not all(bool(value.isfinite().all()) for value in weights.values()):
        raise WeightsRefused("its weights are not finite, or not those of VGG19", path=path)
    model.load_state_dict(weights)
    return model.eval()


def _check_sum(path: Path, sha256: str | None) -> None:
    try:
        if path.stat().st_size > LARGEST:
            raise WeightsRefused(f"larger than {LARGEST >> 30} GiB", path=path)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", path=path) from error
    named = SUMMED.search(path.name)
    wanted = sha256.lower() if sha256 is not None else named.group(1) if named else None
    if wanted is None:
        raise UsageError(
            f"the file must match a checksum: its SHA-256 is {found}; give that as sha256 if "
            "it is the file you mean"
        )
    if not re.fullmatch(r"[0-9a-f]{8,64}", wanted):
        raise UsageError(f"sha256 must be 8 to 64 hexadecimal digits, got {sha256!r}")
    if not found.startswith(wanted):
        raise WeightsRefused(f"its SHA-256 is {found}, and {wanted} was wanted", path=path)


def _plan(deepest: int) -> list[nn.Module]:
    """Return the layers up to one, in torchvision's order: their numbers are its names."""
    plan: list[nn.Module] = []
    before = 3
    for width, convolutions in BLOCKS:
        for _ in range(convolutions):
            plan += [conv(2, before, width, 3), nn.ReLU()]
            if len(plan) > deepest:
                return plan
            before = width
        plan.append(POOL[2](2))
    return plan


def _names() -> dict[str, int]:
    """Return the place of every activation in the plan."""
    names, place = {}, 0
    for block, (_, convolutions) in enumerate(BLOCKS, 1):
        for number in range(1, convolutions + 1):
            names[f"relu{block}_{number}"] = place + 1
            place += 2
        place += 1  # the pooling
    return names


NAMES = _names()
"""Place of every layer in torchvision's ``features``."""
