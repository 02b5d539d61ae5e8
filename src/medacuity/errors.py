"""What medacuity refuses, and how a script can tell: one exception per exit code.

======  =====================================================================
code    meaning
======  =====================================================================
0       done
2       the call itself is wrong: usage, configuration
3       the input is malformed: truncated, damaged, not what it claims to be
4       a limit was reached: size, memory, compression ratio
5       the geometry or identity is unsafe: affine, spacing, slices, patients
6       the weights were refused
7       reading or writing failed: missing, permission, disk full
9       part of a batch failed; the rest is done and the list is in the report
10      a safety gate: a non-finite result, or a finding under ``--strict``
70      a fault of ours
130     interrupted
======  =====================================================================
"""

from pathlib import Path


class MedacuityError(Exception):
    """Base of everything medacuity raises on purpose.

    Args:
        reason: One sentence: what must hold, what came, and the way out.
        path: The file that was refused, when there is one.
    """

    exit_code = 70

    def __init__(self, reason: str, *, path: str | Path | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = None if path is None else Path(path)

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"


class UsageError(MedacuityError, ValueError):
    """The call itself is wrong."""

    exit_code = 2


class MalformedInput(MedacuityError):
    """The file is truncated, damaged, or not what it claims to be."""

    exit_code = 3


class LimitExceeded(MedacuityError):
    """Reading on would take more memory, disk or time than allowed."""

    exit_code = 4


class UnsafeGeometry(MedacuityError):
    """Positions or identity cannot be trusted: affine, spacing, slices, patients."""

    exit_code = 5


class WeightsRefused(MedacuityError):
    """The weight file is damaged, of another kind, or not what its card says."""

    exit_code = 6


class StorageError(MedacuityError, OSError):
    """Reading or writing failed: missing, permission, disk full."""

    exit_code = 7

    # OSError fills its own __str__ from errno; ours names the file.
    __str__ = MedacuityError.__str__


class PartialFailure(MedacuityError):
    """Part of the work was refused; the rest is done, and the report names what was not."""

    exit_code = 9


class SafetyGate(MedacuityError):
    """The result must not be used: it is not finite, or a finding was made under ``--strict``."""

    exit_code = 10
