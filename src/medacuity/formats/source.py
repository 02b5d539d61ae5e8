"""What a file holds: volumes, and what only the file knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medacuity import __version__
from medacuity.volume import Volume

Provenance = Mapping[str, Any]
"""How a result was made; becomes the JSON sidecar, and the DICOM derivation attributes.

Keys that writers read: ``method`` (a model's name, or the kind of degradation),
``method_sha256``, ``version`` (of medacuity), ``label`` (a few words a radiologist sees in
the list of series, such as ``"AI-enhanced"``), ``description`` (one sentence), ``synthetic``
(True where the images were made up rather than measured: every header then says SYNTHETIC).
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
        synthetic: The file says that its images were made up. So are those made from them, and
            their files will say so too.
    """

    path: Path
    volumes: tuple[Volume, ...]
    header: Any
    sha256: str
    synthetic: bool = False


SYNTHETIC = "SYNTHETIC"


def made_by(provenance: Provenance | None) -> str:
    """Say what a file is and which tool made it, and nothing that its source said.

    Example:
        >>> made_by({"synthetic": True, "method": "pix2pix-t1-t2", "version": "0.1"})
        'SYNTHETIC medacuity 0.1 pix2pix-t1-t2'
    """
    made = provenance or {}
    words = (SYNTHETIC if made.get("synthetic") else "", "medacuity",
             made.get("version", __version__), made.get("method", ""),
             str(made.get("method_sha256", ""))[:8])  # fmt: skip
    return " ".join(str(word) for word in words if word)


def says_synthetic(text: object) -> bool:
    """Tell whether a file's note of who made it says that its images were made up."""
    return isinstance(text, str) and text.startswith(SYNTHETIC)
