"""Run the server of a study: one process, behind a proxy where others shall reach it."""

import logging
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from medacuity.errors import StorageError, UsageError
from medacuity.study.database import opened, writing
from medacuity.study.sessions import has_administrator, renew_administrator
from medacuity.study.web import create_app
from medacuity.study.wire import BoundedProtocol

HOME = ("127.0.0.1", "localhost", "::1")
MOST_CONNECTIONS = 2000


@dataclass(frozen=True)
class Place:
    """Where a study is served.

    Args:
        host: The network address to listen on.
        port: To listen on; 0 for any that is free.
        address: What raters have in their address bar, such as ``https://study.hospital.org``;
            None for this machine alone.
        proxy: The network address of a proxy that may say who asks; None without one.
        database: ``postgresql://...``; None for SQLite in the study's folder.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    address: str | None = None
    proxy: str | None = None
    database: str | None = None

    def __post_init__(self) -> None:
        if self.address is None and self.host not in HOME:
            raise UsageError(
                "a study that others can reach needs its address, such as --url "
                "https://study.hospital.org, so that sessions are bound to it"
            )
        if self.address is not None:
            parts = urlsplit(self.address)
            plain = f"{parts.scheme}://{parts.netloc}"
            if parts.scheme not in ("http", "https") or not parts.netloc or plain != self.address:
                raise UsageError(
                    f"the address is a scheme and a host, such as https://study.hospital.org; got "
                    f"{self.address!r}"
                )
        if not 0 <= self.port <= 65535:
            raise UsageError(f"a port is a number from 0 to 65535, got {self.port}")

    @property
    def url(self) -> str:
        """What links begin with."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.address or f"http://{host}:{self.port}"


def administrator_link(folder: Path, place: Place, *, renew: bool = False) -> str | None:
    """Return the administrator's link, if it was never given out or shall be a new one."""
    with opened(folder, place.database) as (_, engine), writing(engine).begin() as connection:
        if has_administrator(connection) and not renew:
            return None
        return f"{place.url}/admin#{renew_administrator(connection)}"


def listen(place: Place) -> socket.socket:
    """Return a socket that listens, so that a port in use is known before anything else.

    Raises:
        StorageError: The port is in use, or not allowed.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((place.host, place.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise StorageError(
            f"cannot listen on {place.host} port {place.port}: {error.strerror}; name another "
            "--port"
        ) from error
    return listening


def serve(folder: Path, place: Place, listening: socket.socket) -> None:
    """Serve until asked to end; what raters were told is stored is on disk by then."""
    app = create_app(folder, database=place.database, address=place.address)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app, access_log=False, server_header=False, log_level="warning", workers=1,
        proxy_headers=place.proxy is not None, forwarded_allow_ips=place.proxy or "",
        limit_concurrency=MOST_CONNECTIONS, timeout_keep_alive=75, timeout_graceful_shutdown=5,
        http=BoundedProtocol, ws="none", lifespan="on",
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])
