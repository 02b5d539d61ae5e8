"""What the administrator's page asks of the server; PROTOCOL.md says it in words."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from medacuity.errors import UsageError
from medacuity.study.exchange import (
    ADMINISTRATOR,
    Refused,
    address_of,
    administrator_session,
    body_of,
    end_former,
    remove_cookie,
    service,
    set_cookie,
    slow_down,
    text_in,
)
from medacuity.study.export import answers
from medacuity.study.progress import progress
from medacuity.study.raters import invite, note, renew, withdraw
from medacuity.study.sessions import end_session, enter_administrator, session_of
from medacuity.study.table import answers_csv

MOST_AT_ONCE = 50


async def enter(request: Request) -> Response:
    """Let the administrator in."""
    served, key = service(request), f"administrator {address_of(request)}"
    if served.entries.empty(key):
        raise Refused(429, "busy", pause=served.entries.pause)
    secret = text_in(await body_of(request), "secret")
    cookie = await served.write(lambda connection: enter_administrator(connection, secret))
    if cookie is None:
        served.entries.take(key)
        raise Refused(401, "secret")
    found = await served.read(lambda connection: session_of(connection, cookie))
    response = JSONResponse({"csrf": found.csrf if found else ""})
    await end_former(request, ADMINISTRATOR)
    set_cookie(request, response, cookie, who=ADMINISTRATOR)
    return response


async def leave(request: Request) -> Response:
    """End the session."""
    found = await administrator_session(request)
    await service(request).write(lambda connection: end_session(connection, found.number))
    service(request).forget_sessions()
    response = Response(status_code=204)
    remove_cookie(request, response, who=ADMINISTRATOR)
    return response


async def watch(request: Request) -> Response:
    """Say how far everybody is."""
    found = await administrator_session(request)
    served = service(request)
    now = await served.read(lambda connection: progress(connection, served.study))
    return JSONResponse({"csrf": found.csrf, **now})


async def invite_raters(request: Request) -> Response:
    """Invite raters; their links are shown this once."""
    await administrator_session(request)
    served, body = service(request), await body_of(request)
    names = body.get("names")
    if (
        set(body) != {"names"}
        or not isinstance(names, list)
        or not 0 < len(names) <= MOST_AT_ONCE
        or not all(isinstance(name, str) for name in names)
    ):
        raise Refused(400, "invalid")
    slow_down(served.events, "administrator")
    try:
        invited = await served.write(lambda connection: invite(connection, served.study, names))
    except UsageError as error:
        raise Refused(400, "invalid", more={"message": str(error)}) from None
    links = [{"number": each.number, "name": each.name, "path": each.path} for each in invited]
    return JSONResponse({"links": links})


async def renew_link(request: Request) -> Response:
    """Give a rater a new link; the old one ends."""
    await administrator_session(request)
    served, number = service(request), request.path_params["number"]
    renewed = await served.write(lambda connection: renew(connection, number))
    served.forget_sessions()
    if renewed is None:
        raise Refused(404, "missing")
    return JSONResponse({"path": renewed.path})


async def withdraw_rater(request: Request) -> Response:
    """End a rater's link and sessions; the answers stay."""
    await administrator_session(request)
    served, number = service(request), request.path_params["number"]
    done = await served.write(lambda connection: withdraw(connection, number))
    served.forget_sessions()
    if not done:
        raise Refused(404, "missing")
    return JSONResponse({"status": "withdrawn"})


async def download(request: Request) -> Response:
    """Give out all answers as a table."""
    await administrator_session(request)
    served = service(request)
    slow_down(served.events, "administrator")
    await served.write(lambda connection: note(connection, "administrator", "export", "csv"))
    given = await served.read(lambda connection: answers(connection, served.study))
    return Response(
        answers_csv(served.study, given),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="ratings.csv"'},
    )


ROUTES = [
    Route("/api/admin/session", enter, methods=["POST"]),
    Route("/api/admin/session/end", leave, methods=["POST"]),
    Route("/api/admin/progress", watch, methods=["GET"]),
    Route("/api/admin/raters", invite_raters, methods=["POST"]),
    Route("/api/admin/raters/{number:int}/link", renew_link, methods=["POST"]),
    Route("/api/admin/raters/{number:int}/withdraw", withdraw_rater, methods=["POST"]),
    Route("/api/admin/ratings.csv", download, methods=["GET"]),
]
