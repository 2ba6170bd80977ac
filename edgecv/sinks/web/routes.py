"""What a page's server answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from time import monotonic
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from edgecv.controls import Controls, GalleryLike
from edgecv.errors import EdgeCVError
from edgecv.sinks.web.pictures import BOUNDARY, Live, parts
from edgecv.sinks.web.status import Status

PAGE = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
LONGEST_BODY = 4096
LONGEST_NAME = 64


class Routes:
    """The requests that a page's server answers.

    Args:
        live: The pictures.
        status: The figures.
        controls: What may be changed.
    """

    def __init__(self, live: Live, status: Status, controls: Controls) -> None:
        self._live, self._status, self._controls = live, status, controls

    def app(self) -> Starlette:
        """Return the app."""
        refused = {HTTPException: _refusal}
        return Starlette(
            routes=[
                *(Route(path, _file(name)) for path, name in PAGE.items()),
                Route("/stream.mjpg", self.stream),
                Route("/frame.jpg", self.frame),
                Route("/status.json", self.status),
                Route("/score", self.set_score, methods=["POST"]),
                Route("/people", self.people),
                Route("/people", self.enroll, methods=["POST"]),
                Route("/people", self.rename, methods=["PATCH"]),
                Route("/people", self.delete, methods=["DELETE"]),
            ],
            exception_handlers=refused,  # type: ignore[arg-type]
        )

    async def stream(self, request: Request) -> Response:
        """Send picture after picture, each time the newest; with ``?overlay=0`` undrawn."""
        return _Stream(self._live, self._status, overlay=_overlay(request))

    def frame(self, request: Request) -> Response:
        """Send the newest picture alone, unless it is old."""
        picture = self._live.newest
        self._check_new(picture.frame.time if picture is not None else None)
        if picture is None:
            raise HTTPException(503, "there is no picture yet")
        return Response(picture.jpeg(overlay=_overlay(request)), media_type="image/jpeg")

    def status(self, request: Request) -> Response:
        """Send all figures."""
        controls = self._controls
        settings = {
            "score": controls.score,
            "lowest": controls.lowest,
            "gallery": controls.gallery is not None,
            "viewers": self._live.viewers,
        }
        return JSONResponse({**self._status.to_dict(), **settings})

    async def set_score(self, request: Request) -> Response:
        """Set the threshold: ``{"score": 0.4}``."""
        score = (await _body(request)).get("score")
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise HTTPException(400, 'wanted {"score": a number}')
        try:
            self._controls.score = score
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return JSONResponse({"score": self._controls.score})

    async def people(self, request: Request) -> Response:
        """Send who is known."""
        return await self._edited(lambda gallery: None)

    async def enroll(self, request: Request) -> Response:
        """Add the face in the newest picture: ``{"name": "Ada"}``."""
        name = _name(await _body(request), "name")
        output = self._status.newest
        self._check_new(output.frame.time if output is not None else None)
        if output is None:
            raise HTTPException(503, "there is no picture yet")
        image = output.frame.image
        return await self._edited(lambda gallery: gallery.enroll(name, image))

    async def rename(self, request: Request) -> Response:
        """Give somebody another name: ``{"name": "Ada", "new": "Ada L."}``."""
        body = await _body(request)
        old, new = _text(body, "name"), _name(body, "new")
        return await self._edited(lambda gallery: gallery.rename(old, new))

    async def delete(self, request: Request) -> Response:
        """Forget somebody: ``{"name": "Ada"}``."""
        name = _text(await _body(request), "name")
        return await self._edited(lambda gallery: gallery.delete(name))

    async def _edited(self, edit: Callable[[GalleryLike], str | None]) -> Response:
        def work() -> dict[str, Any]:
            with self._controls.editing:
                gallery = self._gallery()
                message = edit(gallery)
                return {"message": message or "", "people": gallery.names()}

        try:
            return JSONResponse(await run_in_threadpool(work))
        except (EdgeCVError, ValueError) as error:
            raise HTTPException(409, str(error)) from error

    def _gallery(self) -> GalleryLike:
        if self._controls.gallery is None:
            raise HTTPException(404, "this run compares no faces: there are no known people")
        return self._controls.gallery

    def _check_new(self, time: float | None) -> None:
        """Refuse to take an old picture for what is to be seen now."""
        age = 0.0 if time is None else monotonic() - time
        if age > self._status.stale_after():
            raise HTTPException(503, f"there is no new picture: the last one is {age:.0f} s old")


class _Stream(StreamingResponse):
    """A stream that counts as a viewer for as long as it is open."""

    def __init__(self, live: Live, status: Status, *, overlay: bool) -> None:
        self._live = live
        super().__init__(
            parts(live, status.stale_after, overlay=overlay),
            media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._live.viewers += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.viewers -= 1


def _file(name: str) -> Callable[[Request], Response]:
    content = files("edgecv.sinks.web").joinpath(name).read_bytes()
    media_type = TYPES["." + name.rpartition(".")[2]]

    def send(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send


def _refusal(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _overlay(request: Request) -> bool:
    return request.query_params.get("overlay") != "0"


async def _body(request: Request) -> dict[str, Any]:
    """Read a short JSON object."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "wanted Content-Type: application/json")
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LONGEST_BODY:
            raise HTTPException(413, f"wanted at most {LONGEST_BODY} bytes")
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise HTTPException(400, "wanted a JSON object")
    return values


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise HTTPException(400, f'wanted {{"{key}": a text}}')
    return value


def _name(body: dict[str, Any], key: str) -> str:
    """Return a name that somebody can be given."""
    name = " ".join(_text(body, key).split())
    if not name:
        raise HTTPException(400, "a name is wanted")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise HTTPException(400, f"a name has at most {LONGEST_NAME} printable letters")
    return name
