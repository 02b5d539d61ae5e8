"""Is it CT, in Hounsfield units? Said by the file, or by the numbers themselves."""

import numpy as np

from medacuity.volume import Volume

SOME = 1 << 20  # voxels that are looked at; more are thinned evenly
NOTHING = -1400.0  # below it there is no tissue and no air, only what fills the corners
AIR = (NOTHING, -600.0)  # and lungs, with the noise of little dose
SOFT = (-300.0, 350.0)  # fat to vessels with contrast agent, likewise
DENSEST = 3100.0  # what 12 bits hold; metal lies above
FEW, MOST = 0.02, 0.6


def in_hounsfield(volume: Volume) -> bool:
    """Tell whether a volume is CT in HU.

    Formats without units leave it to the numbers: both air or lung (-1400 to -600) and soft
    tissue (-300 to 350) are there, together they are most of it, next to nothing lies above
    3100, and what lies below -1400 is one number that fills corners. MRI has no air at -1000;
    phases and other signed maps have their numbers elsewhere, or everywhere.

    Example:
        >>> rows = np.repeat([-1000.0, -90.0, 40.0, 700.0], [30, 10, 20, 4])
        >>> in_hounsfield(Volume(rows.reshape(4, 4, 4), np.eye(4)))
        True
        >>> in_hounsfield(Volume(rows.reshape(4, 4, 4) + 1000, np.eye(4)))
        False
    """
    if volume.unit != "a.u.":
        return volume.unit == "HU"
    flat = volume.array.reshape(-1)
    some = flat[:: max(1, flat.size // SOME)]
    corners = some[some < NOTHING]
    body = some[some >= NOTHING]
    if corners.size > FEW * some.size and np.mean(corners == np.median(corners)) < 1 - FEW:
        return False
    if body.size == 0 or np.mean(body > DENSEST) > FEW:
        return False
    air, soft = (np.mean((body >= low) & (body <= high)) for low, high in (AIR, SOFT))
    return bool(min(air, soft) >= FEW and air + soft >= MOST)
