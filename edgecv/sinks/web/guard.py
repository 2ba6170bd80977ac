"""Who may see and change a page: a token, the page's own origin, and headers that hold it there.

On the loopback interface everybody on the machine may watch, and the Host header is checked: a
page elsewhere could otherwise give its own name this machine's address (DNS rebinding) and read
along. On any other interface a token is wanted, which comes with the address and then in a cookie.
"""

from __future__ import annotations

from secrets import compare_digest
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
READING = frozenset({"GET", "HEAD"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NO_TOKEN = (
    "401: this page wants its token. Open the whole address, with ?token=..., that edgecv told "
    "when it started.\n"
)


class Guard:
    """An ASGI app around another one, which refuses who may not use that.

    Args:
        app: What is guarded.
        token: Who has it may come in; empty where nobody needs one, on the loopback interface.
        port: The port, by which the cookies of several pages on one machine are told apart.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._cookie = f"edgecv_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if visits and message["status"] < 400:
                    headers.append("Set-Cookie", self._set_cookie())
            await send(message)

        request = Request(scope)
        visits = bool(self._token) and self._same(request.query_params.get("token", ""))
        refused = self._refusal(request, visits)
        await (refused or self._app)(scope, receive, send_guarded)

    def _refusal(self, request: Request, visits: bool) -> Response | None:
        host = request.headers.get("host", "")
        if not self._token and _name(host) not in LOCAL_NAMES:
            return _refused(403, f"403: this page is not called {host[:80]!r}\n")
        if self._token and not (visits or self._same(request.cookies.get(self._cookie, ""))):
            return _refused(401, NO_TOKEN)
        origin = request.headers.get("origin", "")
        if request.method not in READING and (not origin or urlsplit(origin).netloc != host):
            return _refused(403, "403: only this page itself changes things (header Origin)\n")
        return None

    def _same(self, text: str) -> bool:
        return compare_digest(text.encode("utf-8", "replace"), self._token.encode())

    def _set_cookie(self) -> str:
        return f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)


def _name(host: str) -> str:
    """Return the name in a Host header, without the port; empty where it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
