"""What the command line asks of a study's database: links, and how far raters are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medacuity.errors import UsageError
from medacuity.study.database import opened, writing
from medacuity.study.progress import progress
from medacuity.study.raters import Invitation, invite, numbered
from medacuity.study.raters import renew as renew_rater
from medacuity.study.serve import Place
from medacuity.study.sessions import renew_administrator


def links(
    folder: Path,
    place: Place,
    names: Sequence[str],
    *,
    count: int = 0,
    renew: int | None = None,
    administrator: bool = False,
) -> list[dict[str, Any]]:
    """Return new links: of new raters, of one who lost it, of the administrator.

    Args:
        folder: Of the study.
        place: Where it is served.
        names: Of raters to invite.
        count: Invite so many more, named R01, R02, ...
        renew: Number of a rater who gets a new link.
        administrator: Whether the administrator gets one.

    Raises:
        UsageError: Nobody is named, a name is taken, or no rater has that number.
    """
    if not names and count <= 0 and renew is None and not administrator:
        raise UsageError("name at least one rater to invite, or --count, --renew or --admin")
    found: list[Invitation] = []
    with opened(folder, place.database) as (study, engine), writing(engine).begin() as connection:
        found += invite(connection, study, [*names, *numbered(connection, count)])
        if renew is not None:
            again = renew_rater(connection, renew)
            if again is None:
                raise UsageError(f"no rater of this study has the number {renew}; see study status")
            found.append(again)
        secret = renew_administrator(connection) if administrator else None
    made = [{"number": i.number, "name": i.name, "link": place.url + i.path} for i in found]
    if secret:
        made.append(
            {"number": None, "name": "administrator", "link": f"{place.url}/admin#{secret}"}
        )
    return made


def status(folder: Path, database: str | None = None) -> dict[str, Any]:
    """Return how far every rater is."""
    with opened(folder, database) as (study, engine), engine.connect() as connection:
        return progress(connection, study)
