"""What a file holds: volumes, and what only the file knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medacuity.volume import Volume

Provenance = Mapping[str, Any]
"""How a result was made; becomes the JSON sidecar, and the DICOM derivation attributes.

Keys that writers read: ``method`` (a model's name, or the kind of degradation),
``method_sha256``, ``version`` (of medacuity), ``label`` (a few words a radiologist sees in
the list of series, such as ``"AI-enhanced"``), ``description`` (one sentence).
Everything in it must be JSON; nothing in it may identify the patient.
"""


@dataclass(frozen=True)
class Source:
    """A file as read.

    Args:
        path: The file, folder or archive that was read.
        volumes: One per frame of a 4D file; their values are in ``Volume.unit``.
        header: What only the file knows (codes, units, UIDs, stored dtype and slope); each
            format's own type, handed back to its writer and looked into by nobody else.
        sha256: Of the input's bytes, over all files in the order of the slices.
    """

    path: Path
    volumes: tuple[Volume, ...]
    header: Any
    sha256: str
