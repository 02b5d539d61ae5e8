"""The networks, one file per paper, and the tables by which files name them."""

from torch import nn

from medacuity.models.acuity import AcuityNet
from medacuity.models.dcgan import DCGANCritic, DCGANGenerator
from medacuity.models.edsr import EDSR
from medacuity.models.espcn import ESPCN
from medacuity.models.fbpconvnet import FBPConvNet
from medacuity.models.feature_net import FeatureNet
from medacuity.models.fine_unet import FineUNet
from medacuity.models.fsrcnn import FSRCNN
from medacuity.models.interpolation import Cubic, Lanczos, Linear, Nearest, Sinc, Spline
from medacuity.models.lapsrn import LapSRN
from medacuity.models.mslapsrn import MSLapSRN
from medacuity.models.patchgan import PatchGAN
from medacuity.models.primal_dual import PrimalDual
from medacuity.models.rcan import RCAN
from medacuity.models.red_cnn import REDCNN
from medacuity.models.resnet_generator import ResNetGenerator
from medacuity.models.srcnn import SRCNN
from medacuity.models.srgan_critic import SRGANCritic
from medacuity.models.srresnet import SRResNet
from medacuity.models.unet import UNetGenerator
from medacuity.models.vdsr import VDSR

NETWORKS: dict[str, type[nn.Module]] = {
    network.__name__: network
    for network in (
        AcuityNet, EDSR, ESPCN, FSRCNN, LapSRN, MSLapSRN, RCAN, REDCNN, SRCNN, SRResNet, VDSR,
    )
}  # fmt: skip
"""What a weight file may name: the only list to extend."""

TRANSLATORS: dict[str, type[nn.Module]] = {
    network.__name__: network for network in (FineUNet, ResNetGenerator, UNetGenerator)
}
"""From one image to another of the same size: generators of adversarial learning."""

GENERATORS: dict[str, type[nn.Module]] = {"DCGANGenerator": DCGANGenerator}
"""From numbers drawn by chance to an image."""

RECONSTRUCTORS: dict[str, type[nn.Module]] = {
    network.__name__: network for network in (FBPConvNet, PrimalDual)
}
"""From the rays of a CT scan, or their filtered back-projection, to an image."""

CRITICS: dict[str, type[nn.Module]] = {
    network.__name__: network for network in (DCGANCritic, PatchGAN, SRGANCritic)
}
"""From an image to scores: what adversarial learning trains beside a generator, and leaves."""

FEATURES: dict[str, type[nn.Module]] = {"FeatureNet": FeatureNet}
"""From an image to what it looks like: layers that perceptual distances compare."""

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
    "CRITICS",
    "EDSR",
    "ESPCN",
    "FEATURES",
    "FSRCNN",
    "GENERATORS",
    "INTERPOLATIONS",
    "NETWORKS",
    "RCAN",
    "RECONSTRUCTORS",
    "REDCNN",
    "SRCNN",
    "TRANSLATORS",
    "VDSR",
    "AcuityNet",
    "Cubic",
    "DCGANCritic",
    "DCGANGenerator",
    "FBPConvNet",
    "FeatureNet",
    "FineUNet",
    "Lanczos",
    "LapSRN",
    "Linear",
    "MSLapSRN",
    "Nearest",
    "PatchGAN",
    "PrimalDual",
    "ResNetGenerator",
    "SRGANCritic",
    "SRResNet",
    "Sinc",
    "Spline",
    "UNetGenerator",
]
