"""What every endpoint of the server needs: who asks, the JSON of a body, and refusals."""

import asyncio
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medacuity.study.limits import Limit
from medacuity.study.security import LOG
from medacuity.study.service import Service
from medacuity.study.sessions import LONGEST_S, Session, end_session
from medacuity.study.tokens import same

RATER, ADMINISTRATOR = "rater", "administrator"
BODY_SECONDS = 20.0

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


def cookie_name(request: Request, who: str) -> str:
    """Return the session cookie's name: bound to the host by the browser where there is TLS."""
    prefix = "__Host-" if request.app.state.tls else ""
    return f"{prefix}medacuity-{who}-{service(request).study.identity[:8]}"


async def session(request: Request, who: str) -> Session | None:
    """Return the session of a rater, or of the administrator, that a request belongs to."""
    cookie = request.cookies.get(cookie_name(request, who))
    if not cookie:
        return None
    found = await service(request).session(cookie)
    if found is None:
        slow_down(service(request).strangers, address_of(request))
    elif (found.rater is None) != (who == ADMINISTRATOR):
        return None
    return found


async def rater_session(request: Request) -> tuple[Session, int]:
    """Return the session and the number of the rater who asks.

    Raises:
        Refused: Nobody does.
    """
    found = await session(request, RATER)
    if found is None or found.rater is None:
        raise Refused(401, "session")
    slow_down(service(request).requests, f"rater {found.rater}")
    return _checked(request, found), found.rater


async def administrator_session(request: Request) -> Session:
    """Return the administrator's session.

    Raises:
        Refused: Somebody else asks.
    """
    found = await session(request, ADMINISTRATOR)
    if found is None:
        raise Refused(401, "session")
    slow_down(service(request).requests, "administrator")
    return _checked(request, found)


async def end_former(request: Request, who: str) -> None:
    """End the session that a browser had before it logs in again."""
    found = await session(request, who)
    if found is not None:
        await service(request).write(lambda connection: end_session(connection, found.number))
        service(request).forget_sessions()


def _checked(request: Request, found: Session) -> Session:
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


def set_cookie(request: Request, response: Response, value: str, *, who: str) -> None:
    """Give a browser its session: unseen by scripts, sent to us alone.

    A rater's outlives the browser, so that a tablet that was switched off goes on.
    """
    response.set_cookie(
        cookie_name(request, who),
        value,
        max_age=int(LONGEST_S) if who == RATER else None,
        path="/",
        secure=request.app.state.tls,
        httponly=True,
        samesite="strict",
    )


def remove_cookie(request: Request, response: Response, *, who: str) -> None:
    """Take a browser's session away."""
    response.delete_cookie(
        cookie_name(request, who), httponly=True, samesite="strict", path="/",
        secure=request.app.state.tls,
    )  # fmt: skip


async def show_unstored(request: Request, error: Exception) -> Response:
    """Answer that the disk is full, or the database away: nothing was stored, try again."""
    LOG.error("not stored: %s", error, exc_info=error.__cause__)
    return await show_refused(request, Refused(503, "storage", pause=2))


async def show_refused(request: Request, error: Exception) -> Response:
    """Answer with an error as JSON."""
    if not isinstance(error, Refused):
        raise HTTPException(500)
    headers = {"Retry-After": str(error.pause)} if error.pause else {}
    body = {"error": error.word, "message": SENTENCES[error.word], **error.more}
    return JSONResponse(body, error.status, headers)
