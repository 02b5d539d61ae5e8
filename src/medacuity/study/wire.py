"""HTTP as uvicorn speaks it, with bounds: how long a head may be, and how long it may take.

Without them one client could fill the memory with a header that never ends, or all connections
with requests that never begin.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 16 * 1024
HEAD_SECONDS = 20.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection, closed when a request's head is too long or does not come."""

    heads = 0
    head_bytes = 0
    reads_head = True
    patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; close where it is more of a head than there can be."""
        before = self.heads
        if self.reads_head and self.patience is None:
            self._wait()
        super().data_received(data)
        if self.reads_head and self.heads == before:
            self.head_bytes += len(data)
        if self.head_bytes > HEAD_LIMIT:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Go on to the body, which the gate bounds."""
        self.heads += 1
        self.reads_head, self.head_bytes = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next is another head."""
        self.reads_head = True
        super().on_message_complete()

    def _wait(self) -> None:
        self.patience = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None
