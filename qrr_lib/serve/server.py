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

from qrr_lib.files import is_local, secret
from qrr_lib.serve.gate import checked_token

HEAD_SECONDS = 10  # in which a request's head must have arrived
HEAD_BYTES = 16_384
CONNECTIONS = 500  # at a time, or half of what the system allows this process
STOP_SECONDS = 10  # for requests when the service is stopped, then they are told 503


class Connection(H11Protocol):
    """One client's connection; `since` is when it began to wait for a head."""

    def connection_made(self, transport) -> None:
        """Begin; where there are too many, close the one that waits for longest."""
        super().connection_made(transport)
        self.since = self.loop.time()
        there = [one for one in self.connections if not one.transport.is_closing()]
        if len(there) > most_connections():
            idle = [one for one in there if not one.is_at_work()]
            min(idle, key=lambda one: one.since, default=self).transport.abort()

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        self.since = self.loop.time()

    def is_at_work(self) -> bool:
        """Has it sent a whole request that is not answered yet?"""
        return not (self.waits_for_head() or self.cycle.more_body)

    def waits_for_head(self) -> bool:
        """Has it sent no whole head since the last answer?"""
        return self.cycle is None or self.cycle.response_complete

    def shutdown(self) -> None:
        """Say in the answer, if one is due, that the connection ends with it."""
        if self.is_at_work():
            self.cycle.default_headers = [*self.cycle.default_headers, CLOSE_HEADER]
        super().shutdown()


class Server(uvicorn.Server):
    """Closes connections on which no head arrives in time."""

    async def on_tick(self, counter: int) -> bool:
        """Look at every connection, ten times a second."""
        for one in list(self.server_state.connections):
            if one.waits_for_head() and one.loop.time() - one.since > HEAD_SECONDS:
                one.transport.abort()
        return await super().on_tick(counter)


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
    token = checked_token(secret("QRR_TOKEN"))
    if not token and not is_local(host):
        raise ValueError(
            f"everyone who reaches {host} could use this service: set QRR_TOKEN, or "
            "leave --host out and let this machine alone use it"
        )
    return token


def hosts_of(host: str) -> tuple[str, ...]:
    """Names by which a service that listens on `host` may be addressed."""
    return ("127.0.0.1", "localhost", "[::1]") if is_local(host) else ("*",)


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
