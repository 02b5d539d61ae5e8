"""The web server of a rating study: pages, and the two interfaces behind them.

It knows neither torch nor numpy: what raters see was rendered when the study was created.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from medacuity.errors import StorageError
from medacuity.study import admin_api, rating_api
from medacuity.study.exchange import (
    RATER,
    SENTENCES,
    Refused,
    address_of,
    service,
    session,
    show_refused,
    show_unstored,
)
from medacuity.study.limits import Limit
from medacuity.study.security import Gate
from medacuity.study.service import Service

HERE = Path(__file__).parent
PAGES = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined
)
MESSAGES = {404: "There is no such page.", 405: "This cannot be done here."}
PAGES_A_SECOND, PAGES_AT_ONCE = 50.0, 1000


def create_app(
    folder: str | Path, *, database: str | None = None, address: str | None = None
) -> Starlette:
    """Return the server of the study in a folder.

    Args:
        folder: Of the study.
        database: ``postgresql://...``; None for SQLite in the folder.
        address: What raters have in their address bar, such as ``https://study.hospital.org``;
            None to answer on this machine only.

    Raises:
        StorageError: There is no study, or its database would not be durable.
    """
    served = Service(Path(folder), database)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        served.close()

    app = Starlette(
        routes=[
            Route("/", _home),
            Route("/join", _page("join.html")),
            Route("/rate", _rate),
            Route("/admin", _page("admin.html")),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            *rating_api.ROUTES,
            *admin_api.ROUTES,
        ],
        middleware=[Middleware(Gate, address=address)],
        exception_handlers={
            Refused: show_refused,
            StorageError: show_unstored,
            HTTPException: _show_error,
        },
        lifespan=life,
    )
    app.router.redirect_slashes = False
    app.state.service = served
    app.state.tls = bool(address and address.startswith("https://"))
    app.state.pages = Limit(PAGES_A_SECOND, PAGES_AT_ONCE)
    return app


async def _home(request: Request) -> Response:
    return RedirectResponse("/rate", 303)


async def _rate(request: Request) -> Response:
    if await session(request, RATER) is None:
        return RedirectResponse("/join", 303)
    return _show(request, "rate.html")


def _page(template: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        return _show(request, template)

    return page


def _show(request: Request, template: str, *, code: int = 200, message: str = "") -> Response:
    if not request.app.state.pages.take(address_of(request)):
        return _plain(429, "busy")
    title = service(request).study.title
    text = PAGES.get_template(template).render(
        title=title, language="en", status=code, message=message
    )
    return HTMLResponse(text, code)


async def _show_error(request: Request, error: Exception) -> Response:
    """Answer a page with a page and an interface with JSON; neither tells what went wrong."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = MESSAGES.get(status, "Something went wrong here; try again.")
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": "missing", "message": message}, status)
    return _show(request, "error.html", code=status, message=message)


def _plain(status: int, word: str) -> Response:
    return JSONResponse({"error": word, "message": SENTENCES[word]}, status)
