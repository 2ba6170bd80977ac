from __future__ import annotations

import re
from hashlib import md5, sha256

import pytest

from edgecv.sources import authorization as module
from edgecv.sources.authorization import authorization

REALM = "http-auth@example.org"
CHALLENGE = (
    f'Digest realm="{REALM}", qop="auth, auth-int", algorithm={{}}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_is_answered_as_the_rfc_says(
    monkeypatch, algorithm, response
) -> None:
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr(module, "_cnonce", lambda: cnonce)
    challenges = [CHALLENGE.format(algorithm)]
    proof = authorization(challenges, "GET", "/dir/index.html", "Mufasa", "Circle of Life")
    assert f'response="{response}"' in proof
    assert f"algorithm={algorithm}" in proof
    assert "qop=auth, nc=00000001" in proof
    assert f'cnonce="{cnonce}"' in proof
    assert 'opaque="FQhe/' in proof


def test_an_old_server_without_qop_is_answered_as_rfc_2069_says() -> None:
    proof = authorization(['Digest realm="r", nonce="n"'], "DESCRIBE", "rtsp://h/x", "u", "p")

    def hashed(text: str) -> str:
        return md5(text.encode()).hexdigest()

    wanted = hashed(f"{hashed('u:r:p')}:n:{hashed('DESCRIBE:rtsp://h/x')}")
    assert f'response="{wanted}"' in proof
    assert "qop" not in proof


def test_basic_is_what_rfc_7617_shows() -> None:
    proof = authorization(['Basic realm="foo"'], "GET", "/", "Aladdin", "open sesame")
    assert proof == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    "challenges",
    [
        ['Basic realm="r"', 'Digest realm="r", nonce="n"'],
        ['digest realm="r", nonce="n"', 'BASIC realm="r"'],
    ],
)
def test_the_password_is_not_sent_where_a_digest_will_do(challenges) -> None:
    assert authorization(challenges, "GET", "/", "u", "p").startswith("Digest ")


def test_the_strongest_digest_is_chosen() -> None:
    weak, strong = (CHALLENGE.format(name) for name in ("MD5", "SHA-256"))
    for challenges in ([weak, strong], [strong, weak]):
        proof = authorization(challenges, "GET", "/", "u", "p")
        response = re.search('response="([0-9a-f]+)"', proof)
        assert response is not None
        assert len(response[1]) == 2 * sha256().digest_size


def test_what_nobody_knows_is_not_answered() -> None:
    assert authorization(['Negotiate realm="r"'], "GET", "/", "u", "p") == ""
