"""What the tests of the server share: small studies without rendering, and raters that knock."""

import secrets
import uuid
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from medacuity.atomic import atomic_write
from medacuity.study.database import opened, writing
from medacuity.study.design import (
    DESIGN,
    ORIGINAL,
    STIMULI,
    Image,
    Layout,
    Stimulus,
    Study,
    Viewer,
    to_json,
)
from medacuity.study.raters import invite
from medacuity.study.scales import Panels, items_for, way_of
from medacuity.study.sessions import renew_administrator
from medacuity.study.web import create_app

HOME = "http://localhost"
SAME_SITE = {"Origin": HOME, "Content-Type": "application/json"}


def make_design(
    scale: str = "acr", *, methods: int = 3, cases: int = 4, checks: int = 0, **more: Any
) -> Study:
    """Return a study of pictures of 2 x 8 x 6 pixels."""
    names = tuple(f"secret{m}" for m in range(methods))
    if scale in ("dcr", "acr-hr"):
        names = (*names, ORIGINAL)
    image = Image(2, 8, 6, (3.0, 1.0, 1.0), 1, 0.0, 4095.0, "a.u.", (0.0, 1000.0), "R")
    patients = [f"patient{c}" for c in range(cases)]
    stimuli = [Stimulus(secrets.token_hex(8), case, m) for case in patients for m in names]
    stimuli += [
        Stimulus(secrets.token_hex(8), patients[-1], "", expected=1.0) for _ in range(checks)
    ]
    single = way_of(scale).panels is Panels.SINGLE
    questions = more.pop("questions", ())
    return Study(
        secrets.token_hex(8), "A <b>study</b>", "", scale, tuple(items_for(scale, questions)),
        Layout.SINGLE if single else Layout.BESIDE, Viewer.SLICES, names,
        dict.fromkeys(patients, image), tuple(stimuli), **more,
    )  # fmt: skip


def make_study(folder: Path, scale: str = "acr", **more: Any) -> Study:
    """Write a study into a folder, without rendering anything."""
    study = make_design(scale, **more)
    (folder / STIMULI).mkdir(parents=True)
    for n, stimulus in enumerate(study.stimuli):
        with atomic_write(folder / STIMULI / stimulus.file) as file:
            file.write(bytes([n % 256]) * study.images[stimulus.case].bytes)
    with atomic_write(folder / DESIGN) as file:
        file.write(to_json(study).encode())
    return study


def invitations(folder: Path, count: int, *, database: str | None = None) -> list[str]:
    """Invite raters and return their secrets."""
    with opened(folder, database) as (study, engine), writing(engine).begin() as connection:
        names = [f"name{n}-{secrets.token_hex(3)}" for n in range(count)]
        return [each.secret for each in invite(connection, study, names)]


def administrator(folder: Path) -> str:
    """Return a new secret of the administrator."""
    with opened(folder) as (_, engine), writing(engine).begin() as connection:
        return renew_administrator(connection)


class Visitor(TestClient):
    """A browser without a page: keeps cookies, says where it comes from.

    Args:
        app: The server, or a folder with a study.
    """

    def __init__(self, app: Any, **more: Any) -> None:
        super().__init__(
            create_app(app) if isinstance(app, Path) else app,
            base_url=HOME, headers=SAME_SITE, follow_redirects=False, **more,
        )  # fmt: skip
        self.csrf = ""

    def enter(self, secret: str) -> dict[str, Any]:
        """Log in by an invitation."""
        return self._note(self.post("/api/session", json={"token": secret}))

    def enter_administrator(self, secret: str) -> dict[str, Any]:
        """Log in as the administrator."""
        return self._note(self.post("/api/admin/session", json={"secret": secret}))

    def say(self, path: str, body: object) -> Any:
        """Post with the session's token."""
        return self.post(path, json=body, headers={"X-CSRF-Token": self.csrf})

    def state(self) -> dict[str, Any]:
        """Return where the rater is."""
        return self.get("/api/session").json()["state"]

    def open_trial(self) -> dict[str, Any]:
        """Return the trial that is to be answered."""
        at = self.state()["position"]
        return self.get(f"/api/trials?from={at}&count=1").json()["trials"][0]

    def answer(self, value: float = 3, **more: Any) -> Any:
        """Answer the open trial."""
        return self.say("/api/events", self.make_answer(value, **more))

    def make_answer(self, value: float = 3, **more: Any) -> dict[str, Any]:
        """Return an answer to the open trial, with some fields as given."""
        body = {
            "key": str(uuid.uuid4()), "sequence": self.state()["sequence"] + 1,
            "event": "answer", "values": {"q1": value}, "milliseconds": 1500,
        }  # fmt: skip
        if "trial" not in more:
            body["trial"] = self.open_trial()["trial"]
        return {**body, **more}

    def make_undo(self, **more: Any) -> dict[str, Any]:
        """Return an undo of the last answer, with some fields as given."""
        state = self.state()
        return {
            "key": str(uuid.uuid4()), "sequence": state["sequence"] + 1, "event": "undo",
            "trial": state["undoable"], **more,
        }  # fmt: skip

    def _note(self, response: Any) -> dict[str, Any]:
        assert response.status_code == 200, response.text
        self.csrf = response.json()["csrf"]
        found: dict[str, Any] = response.json()
        return found
