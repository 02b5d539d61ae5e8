"""The server as it is run: heads are bounded in size and time, everything else is served.

- A request whose head never ends, or never comes, costs its own connection and nothing else.
- Requests arrive whole however they are cut into packets, one after another on one connection.
- A body that is too large is answered with 413, not with silence.
"""

import socket
import subprocess
import sys
import time

import pytest
from making import make_study

START = (
    "import sys; from pathlib import Path; import medacuity.study.wire as wire;"
    "wire.HEAD_SECONDS = 1.0; from medacuity.study.serve import *;"
    "place = Place(port=0); line = listen(place); print(line.getsockname()[1], flush=True);"
    "serve(Path(sys.argv[1]), place, line)"
)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wire") / "study"
    make_study(folder)
    with subprocess.Popen(
        [sys.executable, "-c", START, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        yield int(process.stdout.readline())
        process.terminate()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def head(port, method="GET", path="/join", **more):
    fields = {"Host": f"127.0.0.1:{port}", **more}
    lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def reply_on(file):
    """Return the status of the next reply, and read it to its end."""
    status = int(file.readline().split()[1])
    length = 0
    while (field := file.readline().lower()) != b"\r\n":
        if field.startswith(b"content-length:"):
            length = int(field.split(b":")[1])
    assert len(file.read(length)) == length
    return status


def closed_after(line):
    """Return after how many seconds the server closes a connection."""
    before = time.monotonic()
    try:
        while line.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - before


def test_requests_arrive_however_they_are_cut(port):
    with connect(port) as line, line.makefile("rb") as file:
        for size in (1, 7, 1000):
            request = head(port)
            for at in range(0, len(request), size):
                line.sendall(request[at : at + size])
            assert reply_on(file) == 200
        line.sendall(head(port) * 3)
        assert [reply_on(file) for _ in range(3)] == [200] * 3


def test_a_head_that_never_ends_is_cut_off(port):
    for start in (b"GET /join HTTP/1.1\r\nHost: x\r\nX: ", b"GET /"):
        with connect(port) as line:
            try:
                line.sendall(start)
                for _ in range(300):
                    line.sendall(b"a" * 1000)
                    time.sleep(0.001)
                closed_after(line)
            except ConnectionError:
                pass
    with connect(port) as line, line.makefile("rb") as file:
        line.sendall(head(port))
        assert reply_on(file) == 200


def test_a_head_that_never_comes_is_not_waited_for(port):
    with connect(port) as silent, connect(port) as slow, connect(port) as fine:
        slow.sendall(b"GET /join HT")
        fine.sendall(head(port))
        with fine.makefile("rb") as file:
            assert reply_on(file) == 200
        assert closed_after(silent) < 20
        assert closed_after(slow) < 20


def test_a_large_body_is_answered(port):
    origin = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
    for size in (20_000, 200_000):
        with connect(port) as line, line.makefile("rb") as file:
            fields = {**origin, "Content-Length": str(size)}
            line.sendall(head(port, "POST", "/api/session", **fields) + b"x" * size)
            assert reply_on(file) == 413
