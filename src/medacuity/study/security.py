"""The gate of the server: who asks from where, how much, and what every answer says.

Pure ASGI around everything else, so that errors have the headers too. After OWASP ASVS 5.0:
3.4 (headers), 3.5 (origins), 13.4 and 16.5 (errors that tell nothing).
"""

import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 16 * 1024
LOG = logging.getLogger("medacuity.study")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
NOTHING = (
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": NOTHING,
    "X-Robots-Tag": "noindex, nofollow",
}
TLS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}
SAFE = ("GET", "HEAD")
HOME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")


class Gate:
    """Let in what may come in, and put the headers on what goes out.

    Args:
        app: What is behind.
        address: The server's public address, such as ``https://study.hospital.org``; None for
            this machine alone, at whatever port.
    """

    def __init__(self, app: ASGIApp, *, address: str | None) -> None:
        self.app = app
        self.address = address
        self.host = urlsplit(address).netloc if address else None
        tls = bool(address and address.startswith("https://"))
        headers = {**HEADERS, **(TLS_ONLY if tls else {})}
        self.headers = [(n.lower().encode(), value.encode()) for n, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def dressed(message: Message) -> None:
            """Send a message on, its headers made safe, and remember that the answer began."""
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._dress(scope, message)
            await send(message)

        refusal = self.refusal(scope)
        if refusal is not None:
            await answer(dressed, *refusal)
            return
        try:
            await self.app(scope, _bounded(receive), dressed)
        except TooLarge:
            if not started:
                await answer(dressed, 413, "large", "This is more than the server takes.")
        except Exception as error:
            LOG.error("a fault while serving %s", type(error).__name__, exc_info=error)
            if not started:
                await answer(dressed, 500, "fault", "Something went wrong here; try again.")

    def refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Return status, word and sentence if a request is not let in."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 400, "host", "This server has another address."
        if scope["method"] in SAFE:
            return None
        if scope["method"] != "POST":
            return 405, "method", "This cannot be done here."
        if not self._same_origin(headers, f"{scope['scheme']}://{host}"):
            return 403, "origin", "Requests from other sites are not taken."
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "type", "Only JSON is taken."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length[:9]) > BODY_LIMIT or len(length) > 9:
            return 413, "large", "This is more than the server takes."
        return None

    def _is_ours(self, host: str) -> bool:
        if self.host is not None:
            return host == self.host
        return HOME.fullmatch(host) is not None

    def _same_origin(self, headers: Headers, own: str) -> bool:
        """Tell whether a change is asked for by a page of ours; browsers always say."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is None and origin is None:
            return False
        return site in (None, "same-origin") and origin in (None, self.address or own)

    def _dress(self, scope: Scope, message: Message) -> None:
        """Add the headers; nobody behind the gate sets any of them."""
        fixed = scope["path"].startswith("/static/")
        cached = (b"cache-control", b"no-cache" if fixed else b"no-store")
        message["headers"] = [*message.get("headers", ()), *self.headers, cached]


class TooLarge(Exception):
    """A body grew beyond the limit while it came in."""


def _bounded(receive: Receive) -> Receive:
    taken = 0

    async def bounded() -> Message:
        """Receive a message, and refuse it once all of them are longer than the limit."""
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_LIMIT:
            raise TooLarge
        return message

    return bounded


async def answer(send: Send, status: int, word: str, sentence: str) -> None:
    """Send an error as JSON."""
    body = json.dumps({"error": word, "message": sentence}).encode()
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
