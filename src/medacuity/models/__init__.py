"""The networks, one file per paper, and the table by which a weight file names them."""

from torch import nn

from medacuity.models.acuity import AcuityNet
from medacuity.models.edsr import EDSR
from medacuity.models.espcn import ESPCN
from medacuity.models.fsrcnn import FSRCNN
from medacuity.models.interpolation import Cubic, Lanczos, Linear, Nearest, Sinc, Spline
from medacuity.models.lapsrn import LapSRN
from medacuity.models.mslapsrn import MSLapSRN
from medacuity.models.rcan import RCAN
from medacuity.models.srcnn import SRCNN
from medacuity.models.srresnet import SRResNet
from medacuity.models.vdsr import VDSR

NETWORKS: dict[str, type[nn.Module]] = {
    network.__name__: network
    for network in (
        AcuityNet, EDSR, ESPCN, FSRCNN, LapSRN, MSLapSRN, RCAN, SRCNN, SRResNet, VDSR,
    )
}  # fmt: skip
"""What a weight file may name: the only list to extend."""

INTERPOLATIONS: dict[str, type[nn.Module]] = {
    "nearest": Nearest,
    "linear": Linear,
    "cubic": Cubic,
    "lanczos": Lanczos,
    "spline": Spline,
    "sinc": Sinc,
}
"""What needs no weights."""

__all__ = [
    "EDSR",
    "ESPCN",
    "FSRCNN",
    "INTERPOLATIONS",
    "NETWORKS",
    "RCAN",
    "SRCNN",
    "VDSR",
    "AcuityNet",
    "Cubic",
    "Lanczos",
    "LapSRN",
    "Linear",
    "MSLapSRN",
    "Nearest",
    "SRResNet",
    "Sinc",
    "Spline",
]
