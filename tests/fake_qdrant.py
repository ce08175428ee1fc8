"""Qdrant's HTTP interface, as much of it as an index uses, on the client's local mode:
a server that can be made to fail.
"""

import http.server
import json
import threading
from contextlib import contextmanager

import pytest

qdrant_client = pytest.importorskip("qdrant_client")
models = qdrant_client.models


class FakeQdrant(http.server.ThreadingHTTPServer):
    """Every request is given to `fault(path)` first; if that returns a status, it is
    the answer.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, local=None):
        self.local = local or qdrant_client.QdrantClient(":memory:")
        self.fault = lambda path: None
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """No longer listen."""
        self.shutdown()
        self.server_close()


@contextmanager
def fake_qdrant():
    """A server, stopped at the end."""
    server = FakeQdrant()
    try:
        yield server
    finally:
        server.stop()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer()

    do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        status, result = self.server.fault(path), None
        if status is None:
            with self.server.lock:
                status = 200
                result = self.result(path, json.loads(body or b"{}"))
        data = json.dumps({"result": result, "status": "ok", "time": 0}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def result(self, path: str, body: dict):
        """What the local mode says, as JSON."""
        local, (_, _, name, *rest) = self.server.local, path.split("/")
        what = "/".join(rest)
        if what == "exists":
            return {"exists": local.collection_exists(name)}
        if self.command == "DELETE":
            return local.delete_collection(name)
        if not what:
            made = models.CreateCollection(**body)
            return local.create_collection(
                name,
                vectors_config=made.vectors,
                sparse_vectors_config=made.sparse_vectors,
            )
        if what == "index":
            return {"operation_id": 0, "status": "completed"}
        if what == "points" and self.command == "PUT":
            local.upsert(name, models.PointsList(**body).points)
            return {"operation_id": 0, "status": "completed"}
        if what == "points/delete":
            local.delete(name, models.PointIdsList(**body))
            return {"operation_id": 0, "status": "completed"}
        if what == "points/count":
            return {"count": local.count(name).count}
        if what == "points/query":
            asked = models.QueryRequest(**body)
            [found] = local.query_batch_points(name, [asked])
            return plain(found)
        options = {"with_payload": body["with_payload"]}
        options["with_vectors"] = body["with_vector"]
        if what == "points/scroll":
            options |= {"limit": body["limit"], "offset": body.get("offset")}
            points, offset = local.scroll(name, **options)
            return {"points": list(map(plain, points)), "next_page_offset": offset}
        return [plain(p) for p in local.retrieve(name, body["ids"], **options)]


def plain(model) -> dict:
    return json.loads(model.model_dump_json())
