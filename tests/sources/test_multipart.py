from __future__ import annotations

import io

import pytest

from edgecv.sources import multipart
from edgecv.sources.multipart import Parts

BODY = b"preamble\r\n--b\r\nContent-Length: 5\r\n\r\none\r\n\r\n--b\r\ncontent-length:3\n\ntwo\r\n"


def test_parts_with_a_length_are_cut_by_it() -> None:
    parts = Parts(io.BytesIO(BODY), "b")
    assert [parts.next(), parts.next()] == [b"one\r\n", b"two"]
    with pytest.raises(EOFError):
        parts.next()


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_parts_without_a_length_end_at_the_boundary(end) -> None:
    data = bytes(range(256)) * 300  # line ends of all kinds, and lines beyond any limit
    part = end.join([b"--b", b"Content-Type: image/jpeg", b"", data])
    parts = Parts(io.BytesIO(end.join([part, part, b"--b--", b""])), "b")
    assert [parts.next(), parts.next()] == [data, data]
    with pytest.raises(EOFError):
        parts.next()


@pytest.mark.parametrize("named", ["b", '"b"', "--b", "--b--"])
def test_carelessly_named_boundaries_are_understood(named) -> None:
    assert Parts(io.BytesIO(BODY), named).next() == b"one\r\n"


@pytest.mark.parametrize(
    "body",
    [b"", b"--b", b"--b\r\nContent-Length: 9\r\n\r\nshort", b"--b\r\n\r\nno end"],
    ids=["nothing", "no part", "a short part", "no boundary"],
)
def test_a_body_that_breaks_off_is_an_end(body) -> None:
    with pytest.raises(EOFError):
        Parts(io.BytesIO(body), "b").next()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"--b\r\nContent-Length: 99999999999\r\n\r\n", "a part of 99999999999 bytes"),
        (b"--b\r\n\r\n" + b"x\n" * 2000, "no boundary within 1000 bytes"),
        (b"--b\r\n" + b"a: b\r\n" * 200, "more than 100 headers"),
    ],
    ids=["long", "endless", "headers"],
)
def test_a_server_cannot_fill_the_memory(monkeypatch, body, said) -> None:
    monkeypatch.setattr(multipart, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=said):
        Parts(io.BytesIO(body), "b").next()
