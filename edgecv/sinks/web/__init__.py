"""A page for any browser: the live picture, the run's figures, and what may be changed.

It needs starlette and uvicorn, and everything the page loads is in this folder.
"""

from __future__ import annotations

from edgecv.sinks.web.sink import WebOptions, WebSink, open_web

__all__ = ["WebOptions", "WebSink", "open_web"]
