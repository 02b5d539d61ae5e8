"""Which scans lie in a folder: files by their names, and folders of DICOM slices as one scan."""

from pathlib import Path

from medacuity.errors import StorageError
from medacuity.formats.limits import storage

SUFFIXES = (
    ".nii", ".nii.gz", ".nrrd", ".mha", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".zip",
)  # fmt: skip


def scans_in(folder: str | Path) -> list[Path]:
    """Return every scan in a folder and the folders below it, in the order of their names.

    Args:
        folder: A folder that holds DICOM files is one scan, as is every other file of a kind
            that is read; a file is a scan by itself.

    Raises:
        StorageError: There is no such folder.
    """
    folder = Path(folder)
    with storage(folder):
        if folder.is_file():
            return [folder]
        if not folder.is_dir():
            raise StorageError("there is no such folder or scan", path=folder)
        entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        files = [p for p in entries if p.is_file()]
        below = [scan for p in entries if p.is_dir() for scan in scans_in(p)]
        named = [p for p in files if p.name.lower().endswith(SUFFIXES)]
        slices = any(_is_dicom(p) for p in files if p not in named)
    return [*([folder] if slices else []), *named, *below]


def stem(path: Path) -> str:
    """Return a scan's name without the suffix that tells its kind.

    Example:
        >>> stem(Path("patient.a.nii.gz"))
        'patient.a'
    """
    known = [suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)]
    return path.name[: -max(map(len, known))] if known else path.name


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() == ".dcm":
        return True
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
