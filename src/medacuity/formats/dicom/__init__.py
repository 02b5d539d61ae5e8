"""DICOM: a series in, a derived series out.

==============  ===================================================================
file            what it knows
==============  ===================================================================
`limits`        how much a file may ask for
`files`         which files there are: folder, archive, one file
`header`        a file's header, read with suspicion
`frames`        one slice, from a classic or a multi-frame file
`geometry`      positions and directions <-> one affine
`series`        which slices belong together
`codestream`    what a compressed frame says about its own size
`decode`        pixels as stored
`worker`        decodes compressed ones in a process of its own
`values`        stored integers <-> values in the unit of the scan
`decay`         when a tracer was given and measured, and what was left of it
`suv`           Bq/ml -> SUV, by the header
`read`          all of these in order: path -> `Source`
`derive`        what a derived image must say about its origin
`classic`       volumes -> one file per slice
`enhanced`      volumes -> one file for all slices
`write`         where the files go
==============  ===================================================================
"""

from medacuity.formats.dicom.read import read
from medacuity.formats.dicom.write import check_one_file, write

__all__ = ["check_one_file", "read", "write"]
