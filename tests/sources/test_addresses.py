from __future__ import annotations

import pytest

from edgecv.errors import SourceError
from edgecv.sources.addresses import (
    hide_password,
    refused,
    split_address,
    unreachable,
    user_and_password,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("rtsp://bob:secret@host/x", "rtsp://bob:***@host/x"),
        ("rtsp://bob:se:cr@et@host:554/x?a=b", "rtsp://bob:***@host:554/x?a=b"),
        (
            "rtspsrc location=rtsp://b:s@h/ ! fakesink",
            "rtspsrc location=rtsp://b:***@h/ ! fakesink",
        ),
        ("rtsp://:secret@host/x", "rtsp://:***@host/x"),
        ("rtsp://host:554/x@y", "rtsp://host:554/x@y"),
        ("rtsp://bob@host/x", "rtsp://bob@host/x"),
    ],
)
def test_passwords_are_not_said(text, wanted) -> None:
    assert hide_password(text) == wanted


def test_user_and_password_are_decoded() -> None:
    parts = split_address("rtsp://bob:s%40%2Fcret@host/x")
    assert user_and_password(parts) == ("bob", "s@/cret")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rtsp://", "names no host"),
        ("rtsp:///live", "names no host"),
        ("http://host:port/", "(?i)port"),
        ("http://host:99999/", "(?i)port"),
        ("http://[::1/", "(?i)invalid"),
    ],
)
def test_an_address_without_a_host_or_port_is_refused(url, said) -> None:
    with pytest.raises(SourceError, match=said):
        split_address(url)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "refused"), "host:8554 is there, but nothing listens"),
        (TimeoutError(), "host:8554 does not answer"),
        (OSError(113, "No route to host"), "cannot be reached: No route to host"),
    ],
)
def test_what_keeps_a_host_from_answering_is_said_without_the_password(error, said) -> None:
    text = str(unreachable("rtsp://bob:secret@host:8554/live", error))
    assert said in text
    assert "secret" not in text


def test_a_refused_user_and_a_missing_one_are_told_apart() -> None:
    assert "the user 'bob' or the password was refused" in str(refused("rtsp://bob:x@h/", "bob"))
    assert "rtsp://USER:PASSWORD@h/live" in str(refused("rtsp://h/live", ""))
