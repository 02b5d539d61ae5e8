"""The one writer of a study: what waits together is committed together, then acknowledged.

A commit costs a sync of the disk, whatever is in it. While one is under way requests gather, and
the next commit takes them all; so two hundred raters cost hardly more syncs than two.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from medacuity.errors import MedacuityError, StorageError
from medacuity.study.database import writing

TOGETHER = 128
T = TypeVar("T")
Change = Callable[[Connection], T]
Job = tuple[Change[Any], "Future[Any]"]


class Writer:
    """A thread that applies changes in the order they came, many to a transaction.

    A change is a function of a connection, and may be run again: all of a transaction is, one
    by one, when one of its changes fails. The future of a change is set after its commit is on
    disk.

    Args:
        engine: Of the study's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = writing(engine)
        self.waiting: SimpleQueue[Job | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._work, name="ratings", daemon=True)
        self.thread.start()

    def submit(self, change: Change[T]) -> "Future[T]":
        """Apply a change soon; the future has what it returns, once that is on disk."""
        future: Future[T] = Future()
        self.waiting.put((change, future))
        return future

    def close(self) -> None:
        """Finish what waits, and end."""
        self.waiting.put(None)
        self.thread.join(timeout=30)

    def _work(self) -> None:
        while (job := self.waiting.get()) is not None:
            batch = [job]
            while len(batch) < TOGETHER and not self.waiting.empty():
                following = self.waiting.get()
                if following is None:
                    self.waiting.put(None)
                    break
                batch.append(following)
            self._commit(batch)

    def _commit(self, batch: list[Job]) -> None:
        """Commit a batch, or each of its changes alone where one fails; then tell who waits."""
        batch = [job for job in batch if job[1].running() or job[1].set_running_or_notify_cancel()]
        try:
            with self.engine.begin() as connection:
                results = [change(connection) for change, _ in batch]
        except Exception as error:
            if len(batch) > 1:
                for job in batch:
                    self._commit([job])
            elif batch:
                batch[0][1].set_exception(_explained(error))
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)


def _explained(error: Exception) -> Exception:
    """Return an error that says no more than a rater may know; the cause goes with it."""
    if isinstance(error, MedacuityError):
        return error
    failure = StorageError("the answer could not be stored; it will be sent again")
    failure.__cause__ = error
    return failure
