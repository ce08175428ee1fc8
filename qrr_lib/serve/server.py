"""A service in a thread of this process, for a notebook or a test (lesson 13)."""

import threading
import time
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


@contextmanager
def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0):
    """Serve `app` from a thread of this process; yields its address.

    Port 0 takes a free one; on leaving, requests at work are finished.
    """
    server = uvicorn.Server(
        uvicorn.Config(app, host, port, log_level="error", timeout_graceful_shutdown=10)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise OSError(
                    f"the service could not start on {host}:{port}; is the port taken?"
                )
            time.sleep(0.01)
        yield f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
