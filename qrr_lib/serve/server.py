"""The HTTP server, uvicorn, with limits that it does not have by itself; for the
command line, and in a thread for a notebook or a test (lesson 13).

uvicorn limits the size of a head, idle connections and the end. It waits for ever for
the rest of a head, and takes connections until the system has none left: here the first
is closed after `HEAD_SECONDS`, the second is met by closing those that have sent
nothing whole for longest. (A body's time and size: `gate`.)
"""

import threading
import time
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from qrr_lib.files import secret
from qrr_lib.serve.gate import check_access

HEAD_SECONDS = 10  # in which a request's head must have arrived
HEAD_BYTES = 16_384
CONNECTIONS = 500  # at a time, or half of what the system allows this process
STOP_SECONDS = 10  # for requests at work, when the service is stopped


class Connection(H11Protocol):
    """One client's connection, closed where a head does not arrive in time."""

    def connection_made(self, transport) -> None:
        """Wait for a head; where there are too many, close the oldest that waits."""
        super().connection_made(transport)
        self.since, self.patience = self.loop.time(), None
        self._wait_for_head()
        there = [one for one in self.connections if not one.transport.is_closing()]
        if len(there) > most_connections():
            idle = [one for one in there if not one.is_at_work()]
            min(idle, key=lambda one: one.since, default=self).transport.abort()

    def connection_lost(self, exc) -> None:
        """Stop the clock."""
        self.patience.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        self.since = self.loop.time()
        self._wait_for_head()

    def is_at_work(self) -> bool:
        """Has it sent a whole request that is not answered yet?"""
        cycle = self.cycle
        return bool(cycle) and not (cycle.more_body or cycle.response_complete)

    def shutdown(self) -> None:
        """Say in the answer, if one is due, that the connection ends with it."""
        if self.is_at_work():
            self.cycle.default_headers = [*self.cycle.default_headers, CLOSE_HEADER]
        super().shutdown()

    def _wait_for_head(self) -> None:
        if self.patience:
            self.patience.cancel()
        self.patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


class Server(uvicorn.Server):
    """Stops in an orderly way: what waits has some seconds, then it is told 503."""

    async def shutdown(self, sockets=None) -> None:
        """Tell the queue, then as uvicorn does."""
        self.config.app.state.turns.stop()
        await super().shutdown(sockets)


def most_connections() -> int:
    """Connections at a time; the system's limit counts files, too."""
    try:
        import resource
    except ImportError:  # Windows
        return CONNECTIONS
    return min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def server_of(app: FastAPI, host: str, port: int, **options) -> Server:
    """A server for an application of this package; `options` are uvicorn's."""
    limits = {
        "http": Connection,
        "ws": "none",
        "backlog": 64,  # accepted at once: fewer than handles are left
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "timeout_graceful_shutdown": STOP_SECONDS,
    }
    return Server(uvicorn.Config(app, host, port, **limits, **options))


def token_for(host: str) -> str | None:
    """The token in QRR_TOKEN; ValueError where it, or its absence, is unsafe."""
    token = secret("QRR_TOKEN")
    check_access(host, token)
    return token


@contextmanager
def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0):
    """Serve `app` from a thread of this process; yields its address.

    Port 0 takes a free one; on leaving, requests at work are finished.
    """
    server = server_of(app, host, port, log_level="error")
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise OSError(
                    f"the service could not start on {host}:{port}; is the port taken?"
                )
            time.sleep(0.01)
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
