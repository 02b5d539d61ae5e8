"""What every endpoint of the server needs: who asks, the JSON of a body, and refusals."""

import asyncio
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medacuity.study.limits import Limit
from medacuity.study.security import TooLarge
from medacuity.study.service import Service
from medacuity.study.sessions import Session
from medacuity.study.tokens import same

BODY_SECONDS = 20.0
DEEPEST = 20

SENTENCES = {
    "invitation": "This invitation is not known here, or was withdrawn; ask for a new link.",
    "secret": "This is not the administrator's secret.",
    "session": "Your session has ended; open your invitation link again.",
    "csrf": "This page is out of date; it will be refreshed.",
    "invalid": "This could not be understood.",
    "conflict": "Another tab or device was first.",
    "missing": "There is nothing here.",
    "busy": "Too much at once; wait a moment.",
    "storage": "This cannot be stored now; it will be tried again.",
}


class Refused(Exception):
    """A request is answered with an error.

    Args:
        status: Of HTTP.
        word: A key of ``SENTENCES``.
        pause: Seconds after which to try again; 0 for none.
        more: What else the answer says.
    """

    def __init__(
        self, status: int, word: str, *, pause: int = 0, more: dict[str, Any] | None = None
    ) -> None:
        super().__init__(word)
        self.status, self.word, self.pause, self.more = status, word, pause, more or {}


def service(request: Request) -> Service:
    """Return what is served."""
    found: Service = request.app.state.service
    return found


def cookie_name(request: Request) -> str:
    """Return the session cookie's name: bound to the host by the browser where there is TLS."""
    name: str = request.app.state.cookie
    return name


async def session(request: Request) -> Session | None:
    """Return the session of a request, of whomever."""
    return await service(request).session(request.cookies.get(cookie_name(request)))


async def rater_session(request: Request) -> tuple[Session, int]:
    """Return the session and the number of the rater who asks.

    Raises:
        Refused: Nobody, or the administrator, does.
    """
    found = await session(request)
    if found is None or found.rater is None:
        raise Refused(401, "session")
    slow_down(service(request).requests, f"rater {found.rater}")
    return await _checked(request, found), found.rater


async def administrator_session(request: Request) -> Session:
    """Return the administrator's session.

    Raises:
        Refused: Somebody else asks.
    """
    found = await session(request)
    if found is None or found.rater is not None:
        raise Refused(401, "session")
    slow_down(service(request).requests, "administrator")
    return await _checked(request, found)


async def _checked(request: Request, found: Session) -> Session:
    """Refuse a change whose page does not know the session's token."""
    if request.method == "POST":
        given = request.headers.get("x-csrf-token", "")
        if not same(given, found.csrf):
            raise Refused(403, "csrf")
    return found


def slow_down(limit: Limit, key: str) -> None:
    """Refuse somebody who asks too often."""
    if not limit.take(key):
        raise Refused(429, "busy", pause=limit.pause)


def address_of(request: Request) -> str:
    """Return the network address of who asks; a trusted proxy has put it there."""
    return request.client.host if request.client else "unknown"


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body, whose size the gate has bounded.

    Raises:
        Refused: It is none, or comes too slowly.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            text = await request.body()
        found = json.loads(text)
    except TimeoutError:
        raise Refused(408, "invalid") from None
    except (ValueError, RecursionError):
        raise Refused(400, "invalid") from None
    if not isinstance(found, dict):
        raise Refused(400, "invalid")
    return found


def text_in(body: dict[str, Any], name: str) -> str:
    """Return the one text that a body holds.

    Raises:
        Refused: It holds something else.
    """
    if set(body) != {name} or not isinstance(body[name], str) or len(body[name]) > 200:
        raise Refused(400, "invalid")
    text: str = body[name]
    return text


def set_cookie(request: Request, response: Response, value: str) -> None:
    """Give a browser its session: unseen by scripts, sent to us alone."""
    response.set_cookie(
        cookie_name(request), value, httponly=True, samesite="strict", path="/",
        secure=request.app.state.tls,
    )  # fmt: skip


def remove_cookie(request: Request, response: Response) -> None:
    """Take a browser's session away."""
    response.delete_cookie(
        cookie_name(request), httponly=True, samesite="strict", path="/",
        secure=request.app.state.tls,
    )  # fmt: skip


async def show_refused(request: Request, error: Exception) -> Response:
    """Answer with an error as JSON."""
    if isinstance(error, TooLarge):
        error = Refused(413, "invalid")
    if not isinstance(error, Refused):
        raise HTTPException(500)
    headers = {"Retry-After": str(error.pause)} if error.pause else {}
    body = {"error": error.word, "message": SENTENCES[error.word], **error.more}
    return JSONResponse(body, error.status, headers)
