"""Two hundred raters at once: nothing lost, nothing doubled, and how long an answer takes.

    python benchmarks/study_load.py                         # 200 raters x 250 answers, SQLite
    python benchmarks/study_load.py --postgres              # the same on a PostgreSQL of its own
    python benchmarks/study_load.py --raters 50 --answers 20 --think 0

The server and the raters are processes of their own. A rater fetches the next trial and its
slices, thinks, and answers; one answer in fifty is taken back and given again, one in fifty is
sent twice, as browsers do that missed the reply. At the end the database is compared with what
was acknowledged. With ``--think 0`` raters answer as fast as the server lets them (its limit of
answers a second per rater is lifted for that).
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import select
from study_postgres import postgres

from medacuity.atomic import atomic_write
from medacuity.study.database import opened, writing
from medacuity.study.design import DESIGN, STIMULI, Image, Layout, Stimulus, Study, Viewer, to_json
from medacuity.study.raters import invite
from medacuity.study.scales import items_for
from medacuity.study.schema import event, rating, trial

METHODS = tuple("ABCDE")
SERVER = (
    "import sys, uvicorn, medacuity.study.web as web;"
    "from medacuity.study.limits import Limit;"
    "app = web.create_app(sys.argv[1], database=sys.argv[3] or None);"
    "app.state.service.events = Limit(1e6, 10**6); app.state.service.requests = Limit(1e6, 10**6);"
    "uvicorn.run(app, port=int(sys.argv[2]), access_log=False, log_level='warning')"
)


class Line:
    """One rater's connection: HTTP/1.1, kept alive, nothing more than is needed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = self.csrf = ""
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, body: object = None) -> tuple[int, bytes]:
        """Send a request and return status and body of the reply."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.reader is not None
        data = b"" if body is None else json.dumps(body).encode()
        head = [
            f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}", f"Origin: http://127.0.0.1:{self.port}",
            f"Cookie: {self.cookie}", f"X-CSRF-Token: {self.csrf}",
            "Content-Type: application/json", f"Content-Length: {len(data)}",
        ]  # fmt: skip
        self.writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + data)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        if "set-cookie" in fields:
            raw = next(line for line in lines if line.lower().startswith("set-cookie"))
            self.cookie = raw.split(": ", 1)[1].split(";")[0]
        return int(lines[0].split()[1]), await self.reader.readexactly(
            int(fields["content-length"])
        )


async def rate(
    line: Line, secret: str, *, answers: int, think: float, times: dict[str, list[float]]
) -> list[str]:
    """Be a rater; return the keys of all acknowledged answers that still count."""
    rng = random.Random(secret)
    await asyncio.sleep(rng.random() * max(think, 1.0))

    async def timed(kind: str, path: str, body: object = None) -> Any:
        before = time.perf_counter()
        status, data = await line.ask(path, body)
        times[kind].append(time.perf_counter() - before)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {data[:200]!r}")
        return data

    found = json.loads(await timed("enter", "/api/session", {"token": secret}))
    line.csrf = found["csrf"]
    sequence, counted = 0, []
    for position in range(answers):
        given = json.loads(await timed("trial", f"/api/trials?from={position}&count=1"))
        (shown,) = given["trials"]
        await timed("slices", f"/api/stimuli/{shown['panels'][0]['stimulus']}")
        await asyncio.sleep(think * (0.5 + rng.random()))
        again = rng.random()
        for turn in ("answer", "undo", "answer") if again < 0.02 else ("answer",):
            sequence += 1
            body: dict[str, Any] = {
                "key": str(uuid.UUID(int=rng.getrandbits(128))), "sequence": sequence,
                "event": turn, "trial": shown["trial"],
            }  # fmt: skip
            if turn == "answer":
                body |= {"values": {"q1": rng.randint(1, 5)}, "milliseconds": int(think * 1000)}
            await timed("answer", "/api/events", body)
            if again > 0.98:
                await timed("answer", "/api/events", body)
        counted.append(body["key"])
    return counted


def make_study(folder: Path, *, answers: int, raters: int, database: str | None) -> list[str]:
    """Write a study with enough trials and invite the raters; return their secrets."""
    cases = [f"case{n}" for n in range(-(-answers // len(METHODS)))]
    image = Image(1, 64, 64, (1.0, 1.0, 1.0), 0, 0.0, 4095.0, "a.u.", (0.0, 1000.0), "R")
    stimuli = tuple(Stimulus(uuid.uuid4().hex, case, m) for case in cases for m in METHODS)
    study = Study(
        uuid.uuid4().hex[:16], "Load", "", "acr", tuple(items_for("acr")), Layout.SINGLE,
        Viewer.SLICES, METHODS, dict.fromkeys(cases, image), stimuli,
    )  # fmt: skip
    (folder / STIMULI).mkdir()
    for stimulus in stimuli:
        with atomic_write(folder / STIMULI / stimulus.file) as file:
            file.write(os.urandom(image.bytes))
    with atomic_write(folder / DESIGN) as file:
        file.write(to_json(study).encode())
    with opened(folder, database) as (_, engine), writing(engine).begin() as connection:
        return [i.secret for i in invite(connection, study, [f"r{n}" for n in range(raters)])]


def compare(folder: Path, database: str | None, acknowledged: list[str]) -> tuple[int, int]:
    """Return how many acknowledged answers are not there, and how many are too many."""
    with opened(folder, database) as (_, engine), engine.connect() as connection:
        joined = select(event.c.key, trial.c.rater, trial.c.position).join(
            rating, rating.c.event == event.c.number
        ).join(trial, trial.c.token == rating.c.trial)  # fmt: skip
        rows = connection.execute(joined).all()
    keys = [row.key for row in rows]
    places = {(row.rater, row.position) for row in rows}
    doubled = len(keys) - len(set(keys)) + len(rows) - len(places)
    return len(set(acknowledged) - set(keys)), doubled + len(set(keys) - set(acknowledged))


def show(times: dict[str, list[float]], seconds: float, wanted: argparse.Namespace) -> None:
    """Print how long requests took."""
    print(f"{'request':<8} {'count':>7} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for kind, taken in times.items():
        ordered = sorted(taken)
        p50, p99 = (ordered[int(len(ordered) * p)] * 1000 for p in (0.5, 0.99))
        print(f"{kind:<8} {len(ordered):>7} {p50:>8.1f} {p99:>8.1f} {ordered[-1] * 1000:>8.1f}")
    done = wanted.raters * wanted.answers
    print(f"{done} answers in {seconds:.0f} s: {done / seconds:.0f} a second")


async def all_raters(
    secrets: list[str], port: int, wanted: argparse.Namespace, times: dict[str, list[float]]
) -> list[str]:
    """Let all raters rate at once; return the keys of what counts."""
    found = await asyncio.gather(
        *(
            rate(Line(port), secret, answers=wanted.answers, think=wanted.think, times=times)
            for secret in secrets
        )
    )
    return [key for keys in found for key in keys]


def measure(wanted: argparse.Namespace, database: str | None) -> int:
    """Run server and raters; return the number of lost and doubled answers."""
    times: dict[str, list[float]] = {k: [] for k in ("enter", "trial", "slices", "answer")}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        secrets = make_study(
            folder, answers=wanted.answers, raters=wanted.raters, database=database
        )
        arguments = [str(folder), str(wanted.port), database or ""]
        server = subprocess.Popen([sys.executable, "-c", SERVER, *arguments])
        try:
            _wait(wanted.port)
            before = time.perf_counter()
            keys = asyncio.run(all_raters(secrets, wanted.port, wanted, times))
            seconds = time.perf_counter() - before
        finally:
            server.terminate()
            server.wait(timeout=30)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        lost, doubled = compare(folder, database, keys)
    show(times, seconds, wanted)
    cpu = used.ru_utime + used.ru_stime
    print(f"server: {cpu:.0f} s of CPU, {used.ru_maxrss / 1024:.0f} MiB at most")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"acknowledged {len(keys)}, lost {lost}, doubled {doubled}")
    return lost + doubled


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            asyncio.run(Line(port).ask("/join"))
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raters", type=int, default=200)
    parser.add_argument("--answers", type=int, default=250, help="of each rater")
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds before an answer")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL for this")
    parser.add_argument("--database", help="an empty PostgreSQL database, as URL")
    wanted = parser.parse_args()
    with ExitStack() as stack:
        database = stack.enter_context(postgres()) if wanted.postgres else wanted.database
        return 1 if measure(wanted, database) else 0


if __name__ == "__main__":
    sys.exit(main())
