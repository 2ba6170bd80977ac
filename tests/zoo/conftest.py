"""A file server on this machine that can misbehave, and a small list of made-up models."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgecv.zoo import download, manifest, specs
from edgecv.zoo.manifest import Entry, File


class Server:
    """Files by path, what was asked for, and what goes wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cuts: dict[str, list[int]] = {}  # bytes of each next answer that are sent
        self.status: dict[str, list[int]] = {}  # codes of the next answers
        self.moved: dict[str, str] = {}
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    def add(self, name: str, content: bytes) -> File:
        self.files[f"/{name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        return File(name, f"{self.url}/{name}", digest, len(content))


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append((self.path, wanted))
            if self.path in server.moved:
                self.send_response(302)
                self.send_header("Location", server.moved[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            codes = server.status.get(self.path)
            content = server.files.get(self.path)
            if codes or content is None:
                self.send_error(codes.pop(0) if codes else 404)
                return
            start = int(wanted[len("bytes=") : -1]) if wanted and server.ranges else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cuts = server.cuts.get(self.path)
            stop = start + cuts.pop(0) if cuts else len(content)
            self.wfile.write(content[start:stop])

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "EDGECV_ZOO_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0, 0.0))
    files = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(files)) as http:
        files.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield files
        http.shutdown()
        thread.join()


@pytest.fixture
def entries(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Entry]:
    """A made-up list: a classifier with its label file and its twin for the Edge TPU."""
    classes = server.add("classes.txt", b"cat\ndog\n")
    spec = {"task": "classification", "decoder": "classifier", "labels": {"file": "classes.txt"}}
    table = {
        "pets": Entry(
            "pets", (server.add("pets.tflite", b"pets" * 500), classes), spec, "pets_edgetpu"
        ),
        "pets_edgetpu": Entry(
            "pets_edgetpu", (server.add("pets_edgetpu.tflite", b"tpu" * 500), classes), spec
        ),
        "boxes": Entry(
            "boxes",
            (server.add("boxes.onnx", b"boxes" * 300),),
            {"task": "detection", "decoder": "yolox", "labels": "coco_80"},
        ),
    }
    for module in (manifest, specs):
        monkeypatch.setattr(module, "table", lambda: table)
    return table


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """An empty cache for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGECV_CACHE", str(folder))
    return folder
