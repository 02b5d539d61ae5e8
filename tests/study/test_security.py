"""Nobody sees or does what is not theirs, and nothing tells more than it must (ASVS 5.0, level 2).

- Every route is tried by everybody: nobody, a rater, another rater, a rater of another study, the
  administrator, the administrator of another study. A route without a line here fails the test.
- A change needs the session's token, JSON, our own origin; a body may not be large.
- Sessions are new at every log-in, end when they are ended, and when they are old; cookies are
  unseen by scripts and, with TLS, bound to the host.
- Secrets stand in the database as hashes. Guessing is slowed down. What happened is in the log.
- Every answer, errors too, carries the headers; text from outside is escaped.
"""

import ast
import json
import random
import time
from pathlib import Path

import pytest
from making import Visitor, administrator, invitations, make_study
from sqlalchemy import select, update

import medacuity.study
from medacuity.study.database import opened, writing
from medacuity.study.schema import audit, metadata, rater, rating, session
from medacuity.study.sessions import LONGEST_S
from medacuity.study.web import create_app

WHO = ("nobody", "rater", "another", "stranger", "administrator", "foreign administrator")
ALL = set(WHO)
POLICIES = {
    "GET /": ALL, "GET /join": ALL, "GET /admin": ALL, "GET /rate": {"rater", "another"},
    "GET /api/session": {"rater", "another"},
    "POST /api/session": set(),  # nobody gets in by a secret that is not theirs
    "POST /api/session/end": {"rater", "another"},
    "GET /api/trials": {"rater", "another"},
    "GET /api/stimuli/{token}": {"rater"}, "GET /api/stimuli/{token}/{slice:int}": {"rater"},
    "POST /api/events": {"rater"},
    "POST /api/admin/session": set(),
    "POST /api/admin/session/end": {"administrator"},
    "GET /api/admin/progress": {"administrator"}, "GET /api/admin/ratings.csv": {"administrator"},
    "POST /api/admin/raters": {"administrator"},
    "POST /api/admin/raters/{number:int}/link": {"administrator"},
    "POST /api/admin/raters/{number:int}/withdraw": {"administrator"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    make_study(tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def app(folder):
    app = create_app(folder)
    yield app
    app.state.service.close()


@pytest.fixture
def visitors(app, folder, tmp_path):
    """Everybody, each with the cookies that they got from their own server."""
    make_study(tmp_path / "elsewhere")
    elsewhere = create_app(tmp_path / "elsewhere")
    found = {who: Visitor(app) for who in WHO}
    for who, secret in zip(("rater", "another"), invitations(folder, 3), strict=False):
        found[who].enter(secret)
    found["administrator"].enter_administrator(administrator(folder))
    (secret,) = invitations(tmp_path / "elsewhere", 1)
    away = Visitor(elsewhere)
    away.enter(secret)
    chief = Visitor(elsewhere)
    chief.enter_administrator(administrator(tmp_path / "elsewhere"))
    for who, other in (("stranger", away), ("foreign administrator", chief)):
        ours = app.state.service.study.identity[:8]
        for name, value in other.cookies.items():
            found[who].cookies.set(name, value)
            found[who].cookies.set(f"{name[:-8]}{ours}", value)
        found[who].csrf = other.csrf
    yield found
    elsewhere.state.service.close()


def test_every_route_has_a_policy(app):
    routes = [route for route in app.routes if getattr(route, "methods", None)]
    found = {f"{method} {route.path}" for route in routes for method in route.methods - {"HEAD"}}
    assert found == set(POLICIES)


def test_nobody_does_what_is_not_theirs(visitors):
    trial = visitors["rater"].open_trial()
    event = {
        "key": "00000000-0000-4000-8000-000000000000", "sequence": 1, "event": "answer",
        "trial": trial["trial"], "values": {"q1": 3}, "milliseconds": 5,
    }  # fmt: skip
    bodies = {
        "/api/events": event, "/api/admin/raters": {"names": ["new"]},
        "/api/session": {"token": "x" * 43}, "/api/admin/session": {"secret": "x" * 43},
    }  # fmt: skip
    places = {"token": trial["panels"][0]["stimulus"], "slice:int": "0", "number:int": "3"}
    for route in sorted(POLICIES, key=lambda route: "/end" in route):
        method, path = route.split()
        for name, value in places.items():
            path = path.replace(f"{{{name}}}", value)
        for who, visitor in visitors.items():
            if method == "GET":
                reply = visitor.get(path + ("?from=0&count=1" if "trials" in path else ""))
            else:
                reply = visitor.say(path, bodies.get(path, {}))
            if path == "/" or (path == "/rate" and who not in POLICIES[route]):
                assert reply.headers["location"] == ("/rate" if path == "/" else "/join")
            elif who in POLICIES[route]:
                assert reply.status_code in (200, 204), (route, who, reply.text)
            else:
                assert reply.status_code in (401, 404, 409), (route, who, reply.text)
                assert set(reply.json()) <= {"error", "message", "state"}


def test_an_answer_to_anothers_trial_is_not_stored(visitors, folder):
    trial = visitors["rater"].open_trial()["trial"]
    reply = visitors["another"].answer(trial=trial)
    assert reply.status_code == 409
    with opened(folder) as (_, engine), engine.connect() as connection:
        assert connection.execute(select(rating)).all() == []


FOREIGN = (
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403),
    ({"Origin": "http://localhost:81"}, 403),
    ({"Origin": "https://localhost"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "none"}, 403),
    ({"X-CSRF-Token": "x" * 22}, 403),
    ({"X-CSRF-Token": ""}, 403),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({"Content-Type": "text/plain"}, 415),
    ({"Content-Type": "multipart/form-data; boundary=a"}, 415),
    ({"Host": "evil.example"}, 400),
    ({"Host": "localhost.evil.example"}, 400),
    ({"Host": ""}, 400),
)


def test_changes_need_our_own_page(visitors):
    for path in [route.split()[1] for route in POLICIES if route.startswith("POST")]:
        visitor = visitors["administrator" if "admin" in path else "rater"]
        for headers, status in FOREIGN:
            given = {"X-CSRF-Token": visitor.csrf, **headers}
            reply = visitor.post(path.replace("{number:int}", "1"), content="{}", headers=given)
            if path.endswith("/session") and "X-CSRF-Token" in headers:
                status = 400  # there is no session yet that could have a token
            assert reply.status_code == status, (path, headers)
    assert visitors["rater"].state()["sequence"] == 0


def test_a_page_without_any_origin_is_refused(app):
    with Visitor(app) as visitor:
        del visitor.headers["origin"]
        reply = visitor.post("/api/session", content='{"token": "x"}')
    assert (reply.status_code, reply.json()["error"]) == (403, "origin")


def test_other_methods_are_refused(app):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "X"):
        assert Visitor(app).request(method, "/api/session").status_code == 405
    override = {"X-HTTP-Method-Override": "DELETE"}
    assert Visitor(app).get("/join", headers=override).status_code == 200


def test_large_bodies_are_refused_however_they_come(visitors):
    page = visitors["rater"]
    token = {"X-CSRF-Token": page.csrf}
    for size in (16 * 1024 + 1, 10**6):
        assert page.post("/api/events", content=b"x" * size, headers=token).status_code == 413
        parts = (b"x" * 1000 for _ in range(size // 1000 + 1))
        assert page.post("/api/events", content=parts, headers=token).status_code == 413
    for length in ("-1", "1e3", "x", "9" * 30):
        given = {**token, "Content-Length": length}
        assert page.post("/api/events", content=b"{}", headers=given).status_code == 413


def test_sessions_are_new_at_every_log_in_and_end(app, folder):
    (secret,) = invitations(folder, 1)
    visitor = Visitor(app)
    name = f"medacuity-rater-{app.state.service.study.identity[:8]}"
    visitor.cookies.set(name, "chosen-by-somebody-else")
    visitor.enter(secret)
    first = visitor.cookies.get(name, domain="localhost.local")
    visitor.enter(secret)
    second = visitor.cookies.get(name, domain="localhost.local")
    assert len({first, second, "chosen-by-somebody-else"}) == 3
    assert len(second) >= 43
    old = Visitor(app)
    old.cookies.set(name, first)
    assert old.get("/api/session").status_code == 401
    assert visitor.say("/api/session/end", {}).status_code == 204
    old.cookies.set(name, second)
    assert old.get("/api/session").status_code == 401


def test_old_sessions_end(app, folder):
    (secret,) = invitations(folder, 1)
    visitor = Visitor(app)
    for column in ("seen", "created"):
        visitor.enter(secret)
        with opened(folder) as (_, engine), writing(engine).begin() as connection:
            connection.execute(update(session).values({column: time.time() - LONGEST_S - 1}))
        app.state.service.forget_sessions()
        assert visitor.get("/api/session").status_code == 401


def test_a_clock_that_was_set_back_does_no_harm(app, folder):
    (secret,) = invitations(folder, 1)
    visitor = Visitor(app)
    visitor.enter(secret)
    with opened(folder) as (_, engine), writing(engine).begin() as connection:
        connection.execute(update(session).values(seen=time.time() + 3600))
    app.state.service.forget_sessions()
    assert visitor.answer().status_code == 200


def test_cookies_are_unseen_by_scripts_and_bound_by_tls(app, folder, tmp_path):
    (secret,) = invitations(folder, 1)
    reply = Visitor(app).post("/api/session", json={"token": secret})
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "domain" not in cookie
    address = "https://study.hospital.org"
    behind = create_app(folder, address=address)
    try:
        headers = {"Host": "study.hospital.org", "Origin": address}
        reply = Visitor(behind).post("/api/session", json={"token": secret}, headers=headers)
        cookie = reply.headers["set-cookie"]
        assert cookie.startswith("__Host-medacuity-rater-")
        assert "Secure" in cookie
        assert "Path=/;" in cookie
        assert "max-age=31536000" in reply.headers["strict-transport-security"]
        assert Visitor(behind).get("/join").status_code == 400  # by another name
    finally:
        behind.state.service.close()


def test_withdrawn_raters_are_out_at_once_and_renewed_links_replace(visitors, folder, app):
    chief, one = visitors["administrator"], visitors["rater"]
    assert one.answer().status_code == 200
    path = chief.say("/api/admin/raters/1/link", {}).json()["path"]
    assert one.get("/api/session").status_code == 401
    one.enter(path.removeprefix("/join#"))
    assert one.state()["position"] == 1
    assert chief.say("/api/admin/raters/1/withdraw", {}).status_code == 200
    assert one.get("/api/session").status_code == 401
    again = one.post("/api/session", json={"token": path.removeprefix("/join#")})
    assert again.status_code == 401
    assert chief.say("/api/admin/raters/1/link", {}).status_code == 404
    assert chief.say("/api/admin/raters/99/withdraw", {}).status_code == 404
    (shown, *_) = chief.get("/api/admin/progress").json()["raters"]
    assert (shown["withdrawn"], shown["answered"]) == (True, 1)


def test_secrets_are_hashed_at_rest(visitors, folder):
    secret = administrator(folder)
    (invitation,) = invitations(folder, 1)
    cookies = [value for visitor in visitors.values() for value in visitor.cookies.values()]
    kept = b"".join(path.read_bytes() for path in folder.glob("ratings.sqlite*"))
    for each in (secret, invitation, *cookies):
        assert each.encode() not in kept
    assert (folder / "ratings.sqlite").stat().st_mode & 0o077 == 0


def test_guessing_is_slowed_down(app, folder):
    (secret,) = invitations(folder, 1)
    for path, name in (("/api/session", "token"), ("/api/admin/session", "secret")):
        replies = [Visitor(app).post(path, json={name: f"guess {n}"}) for n in range(14)]
        codes = [reply.status_code for reply in replies]
        assert codes == [401] * 10 + [429] * 4
        assert int(replies[-1].headers["retry-after"]) >= 1
    assert Visitor(app).post("/api/session", json={"token": secret}).status_code == 429


def test_raters_are_slowed_down_one_by_one(visitors):
    hasty, calm = visitors["rater"], visitors["another"]
    body = {"key": "no"}
    codes = {hasty.say("/api/events", body).status_code for _ in range(200)}
    assert codes == {400, 429}
    assert calm.answer().status_code == 200


def test_what_happened_is_in_the_log(visitors, folder):
    visitors["administrator"].get("/api/admin/ratings.csv")
    visitors["nobody"].post("/api/session", json={"token": "x"})
    visitors["rater"].answer(sequence=7)
    with opened(folder) as (_, engine), engine.connect() as connection:
        rows = connection.execute(select(audit)).all()
    done = {(row.actor, row.action) for row in rows}
    assert {
        ("administrator", "invite"), ("administrator", "secret"), ("rater 1", "enter"),
        ("administrator", "enter"), ("administrator", "export"), ("nobody", "refused"),
        ("rater 1", "conflict"),
    } <= done  # fmt: skip


def test_every_answer_carries_the_headers_and_errors_tell_nothing(app):
    for path in (
        "/", "/join", "/admin", "/rate", "/nothing", "/api/nothing", "/api/session",
        "/static/nothing", "/static/../web.py", "/static/%2e%2e/web.py", "/api/stimuli/..%2f",
    ):  # fmt: skip
        reply = Visitor(app).get(path)
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "server" not in reply.headers
        assert reply.headers["cache-control"] in ("no-cache", "no-store")
        assert reply.status_code in (200, 303, 401, 404)
        for word in ("Traceback", "medacuity/", ".py", str(Path.home())):
            assert word not in reply.text


def test_a_fault_of_ours_tells_nothing(app, visitors, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("secret path /srv/patients")

    monkeypatch.setattr("medacuity.study.service.state_of", broken)
    reply = visitors["rater"].get("/api/session")
    assert (reply.status_code, reply.json()["error"]) == (500, "fault")
    assert "patients" not in reply.text
    assert "content-security-policy" in reply.headers
    assert "RuntimeError" in caplog.text


def test_pages_have_nothing_inline(app, visitors):
    for visitor in (visitors["rater"], visitors["administrator"]):
        for path in ("/join", "/admin", "/rate", "/nothing"):
            page = visitor.get(path).text
            assert "<style" not in page
            assert "style=" not in page
            assert " on" not in "".join(part.split(">")[0] for part in page.split("<input")[1:])
            for part in page.split("<script")[1:]:
                assert 'src="/static/' in part.split(">")[0]
                assert part.split(">", 1)[1].startswith("</script>")
            assert "http:" not in page
            assert "https:" not in page


PAYLOADS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; DROP TABLE rating; --",
    "{{7*7}}", "${7*7}", "=1+1", "@SUM(A1)", "+1", "-1", "\u202etxt", "a" * 80,
)  # fmt: skip


def test_text_from_outside_is_data_everywhere(visitors, app):
    app.state.service.entries.burst = 100
    chief = visitors["administrator"]
    for payload in PAYLOADS:
        reply = chief.say("/api/admin/raters", {"names": [payload]})
        if not payload.isprintable():
            assert reply.status_code == 400
            continue
        named = Visitor(app)
        named.enter(reply.json()["links"][0]["path"].removeprefix("/join#"))
        assert named.answer().status_code == 200
        for query in (f"/api/trials?from={payload}&count=1", f"/api/stimuli/{payload}"):
            assert named.get(query).status_code in (400, 404)
        assert named.say("/api/session", {"token": payload}).status_code == 401
    table = chief.get("/api/admin/ratings.csv").text.splitlines()
    assert len(table) == len(PAYLOADS)  # with the header, without the one refused
    assert not [line for line in table if line.lstrip('"').startswith(("=", "+", "-", "@", "\t"))]
    reply = chief.get("/api/admin/progress")
    assert set(PAYLOADS) - {each["name"] for each in reply.json()["raters"]} == {"\u202etxt"}
    assert reply.headers["content-type"] == "application/json"


def test_no_sql_is_made_of_strings():
    """Statements come from SQLAlchemy's own language; text() and driver SQL are constants."""
    for path in Path(medacuity.study.__file__).parent.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if "sqlalchemy" in source else ():
            name = called(node) if isinstance(node, ast.Call) else ""
            if name in ("text", "exec_driver_sql", "executescript", "execute"):
                parts = list(ast.walk(node.args[0]))
                made = [part for part in parts if isinstance(part, ast.BinOp | ast.JoinedStr)]
                # the one string that is filled in: a pragma's name, from a constant
                assert not made or path.name == "database.py", f"{path.name}:{node.lineno}"


def called(node: ast.Call) -> str:
    """Return the last word of what is called."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def test_the_table_of_the_database_names_no_method(folder):
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    assert not {"method", "case", "file"} & columns
    assert rater.c.invitation.type.length == 64


def test_odd_bodies_break_nothing(visitors, folder):
    rng = random.Random(7)
    page = visitors["rater"]
    page.app.state.service.events.burst = 10**6
    page.app.state.service.events.rate = 10.0**6
    seed = json.dumps(page.make_answer()).encode()
    for _ in range(300):
        body = bytearray(seed)
        for _ in range(rng.randint(1, 6)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        reply = page.post("/api/events", content=bytes(body), headers={"X-CSRF-Token": page.csrf})
        assert reply.status_code in (200, 400, 409)
    with opened(folder) as (_, engine), engine.connect() as connection:
        for row in connection.execute(select(rating)):
            assert json.loads(row.answer)["q1"] in (1, 2, 3, 4, 5)
