"""What the rating page asks of the server; PROTOCOL.md says it in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from medacuity.errors import StorageError
from medacuity.study.design import NEAREST, ORIGINAL, STIMULI, Study
from medacuity.study.events import State, parse, record
from medacuity.study.exchange import (
    RATER,
    Refused,
    address_of,
    body_of,
    end_former,
    rater_session,
    remove_cookie,
    service,
    set_cookie,
    slow_down,
    text_in,
)
from medacuity.study.order import Kind
from medacuity.study.scales import Item, Panels, items_json
from medacuity.study.service import Course, Shown
from medacuity.study.sessions import Session, end_session, enter, session_of

AHEAD = 24
"""Trials that a page may know before they are due, as many as it asks for: a minute without a
network, for a rater who answers every three seconds."""

CHUNK = 2**20
NAMES = {
    Panels.SINGLE: ("",),
    Panels.REFERENCE: ("Reference", "Test"),
    Panels.PAIR: ("A", "B"),
}


async def join(request: Request) -> Response:
    """Let a rater in by an invitation."""
    served, address = service(request), address_of(request)
    if served.entries.empty(address):
        raise Refused(429, "busy", pause=served.entries.pause)
    secret = text_in(await body_of(request), "token")
    entered = await served.write(lambda connection: enter(connection, secret))
    if entered is None:
        served.entries.take(address)
        raise Refused(401, "invitation")
    cookie, number = entered
    found = await served.read(lambda connection: session_of(connection, cookie))
    if found is None:
        raise Refused(401, "session")
    response = JSONResponse(await _session_body(request, found, number))
    await end_former(request, RATER)
    set_cookie(request, response, cookie, who=RATER)
    return response


async def look(request: Request) -> Response:
    """Say what the study is, and where the rater is."""
    return JSONResponse(await _session_body(request, *await rater_session(request)))


async def leave(request: Request) -> Response:
    """End the session."""
    found, _ = await rater_session(request)
    await service(request).write(lambda connection: end_session(connection, found.number))
    service(request).forget_sessions()
    response = Response(status_code=204)
    remove_cookie(request, response, who=RATER)
    return response


async def trials(request: Request) -> Response:
    """Give out some trials from the one that is open on, and the one before it."""
    _, number = await rater_session(request)
    served = service(request)
    course = await served.course(number)
    first, count = _whole(request, "from"), _whole(request, "count")
    state = served.states.get(number)
    if state is None or not state.position <= first <= first + count <= state.position + AHEAD:
        state = await served.state(number)
    low, high = max(0, state.position - 1), min(state.position + AHEAD, len(course.trials))
    wanted = range(max(first, low), min(first + min(count, AHEAD), high))
    return JSONResponse(
        {"trials": [_trial_body(served.study, n, course.trials[n]) for n in wanted]}
    )


async def stimulus(request: Request) -> Response:
    """Give out the slices of one panel: always as many bytes, whatever the method."""
    _, number = await rater_session(request)
    served = service(request)
    index = (await served.course(number)).stimuli.get(request.path_params["token"])
    if index is None:
        raise Refused(404, "missing")
    shown = served.study.stimuli[index]
    image = served.study.images[shown.case]
    first, size = 0, image.bytes
    if "slice" in request.path_params:
        size //= image.slices
        first = size * request.path_params["slice"]
        if first >= image.bytes:
            raise Refused(404, "missing")
    path = served.folder / STIMULI / shown.file
    if size <= CHUNK:
        return Response(
            await run_in_threadpool(_part, path, first, size), media_type="application/octet-stream"
        )
    return StreamingResponse(
        _chunks(path, first, size),
        media_type="application/octet-stream",
        headers={"Content-Length": str(size)},
    )


async def happen(request: Request) -> Response:
    """Store an answer or an undo; the reply is sent when it is on disk."""
    found, number = await rater_session(request)
    served = service(request)
    slow_down(served.events, f"rater {number}")
    new = parse(served.study, await body_of(request))
    if new is None:
        raise Refused(400, "invalid")
    course = await served.course(number)
    at = course.positions.get(new.trial)
    stored, state = await served.write(
        lambda connection: record(connection, number, new, sitting=found.number, at=at)
    )
    served.note_state(number, state)
    body = _state_body(course, state)
    if not stored:
        raise Refused(409, "conflict", more={"state": body})
    return JSONResponse({"status": "stored", "state": body})


ROUTES = [
    Route("/api/session", join, methods=["POST"]),
    Route("/api/session", look, methods=["GET"]),
    Route("/api/session/end", leave, methods=["POST"]),
    Route("/api/trials", trials, methods=["GET"]),
    Route("/api/stimuli/{token}", stimulus, methods=["GET"]),
    Route("/api/stimuli/{token}/{slice:int}", stimulus, methods=["GET"]),
    Route("/api/events", happen, methods=["POST"]),
]


async def _session_body(request: Request, found: Session, number: int) -> dict[str, Any]:
    served = service(request)
    course = await served.course(number)
    state = await served.state(number)
    study = served.study
    return {
        "csrf": found.csrf,
        "rater": course.public,
        "study": {
            "title": study.title,
            "instructions": study.instructions,
            "scale": study.scale,
            "layout": study.layout,
            "viewer": study.viewer,
            "items": items_json(study.items),
        },
        "state": _state_body(course, state),
    }


def _state_body(course: Course, state: State) -> dict[str, Any]:
    return {
        "sequence": state.sequence,
        "position": state.position,
        "total": len(course.trials),
        "training": sum(trial.kind == Kind.TRAINING for trial in course.trials),
        "finished": state.position >= len(course.trials),
        "undoable": course.trials[state.position - 1].token if state.position else None,
    }


def _trial_body(study: Study, position: int, trial: Shown) -> dict[str, Any]:
    training = trial.kind == Kind.TRAINING
    last = study.stimuli[trial.panels[-1][1]]
    image = study.images[last.case]
    low, high = image.window
    names = NAMES[study.panels]
    return {
        "trial": trial.token,
        "position": position,
        "training": training,
        "hint": _hint(study.items[0], last.method) if training else None,
        "panels": [
            {"label": name, "stimulus": token}
            for name, (token, _) in zip(names, trial.panels, strict=True)
        ],
        "image": {**vars(image), "window": {"low": low, "high": high}, "bytes": image.bytes},
    }


def _hint(item: Item, method: str) -> str | None:
    """Return what to say of an anchor while the scale is learnt."""
    if method not in (ORIGINAL, NEAREST) or not (item.choices or item.slider):
        return None
    best = method == ORIGINAL
    if item.slider is not None:
        return f"An example of: {item.slider.right if best else item.slider.left}"
    choice = (max if best else min)(item.choices, key=lambda each: each.value)
    return None if choice.key.startswith("Arrow") else f"An example of: {choice.label}"


def _whole(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise Refused(400, "invalid")
    return int(text)


def _chunks(path: Path, first: int, size: int) -> Iterator[bytes]:
    for start in range(first, first + size, CHUNK):
        yield _part(path, start, min(CHUNK, first + size - start))


def _part(path: Path, first: int, size: int) -> bytes:
    """Return bytes of a file; fewer than wanted would tell more than an error does."""
    with path.open("rb") as file:
        file.seek(first)
        found = file.read(size)
    if len(found) != size:
        raise StorageError("a stimulus of the study is damaged; create the study again")
    return found
