"""A PostgreSQL server of its own for tests and measurements: in a temporary folder, then gone."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path("/usr/bin")]
ACCOUNT = "postgres"
"""Who runs it where we are root, which PostgreSQL does not allow."""


def is_installed() -> bool:
    """Tell whether there is a PostgreSQL server on this machine."""
    return (FOUND[-1] / "initdb").exists() and (FOUND[-1] / "postgres").exists()


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server that answers on a socket in its own folder; yield the URL of a database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    root = os.geteuid() == 0
    user = ACCOUNT if root else getpass.getuser()
    if root:
        shutil.chown(folder, ACCOUNT)
    place = folder / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [FOUND[-1] / program, *arguments], check=True, capture_output=True, timeout=120,
            cwd=folder, user=ACCOUNT if root else None,
        )  # fmt: skip

    try:
        run("initdb", "-D", str(place), "-U", user, "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses= -c max_connections=50"
        run("pg_ctl", "-D", str(place), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://{user}@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", str(place), "-m", "fast", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
