"""How a client proves that it knows a password, to web servers and RTSP cameras alike."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import md5, sha256
from urllib.request import parse_http_list, parse_keqv_list

_DIGESTS = {"SHA-256": sha256, "MD5": md5}  # the best first


def authorization(
    challenges: Sequence[str], method: str, url: str, user: str, password: str
) -> str:
    """Return the header's value that answers a server's challenges (RFC 7616, RFC 7617).

    Args:
        challenges: Values of its WWW-Authenticate headers.
        method: The request's method.
        url: What the request asks for, as it stands in its first line.
        user: The user's name.
        password: The user's password.

    Returns:
        "Digest ..." where that will do, else "Basic ..."; empty where the server asks for neither.
    """
    asked = [(scheme.lower(), rest) for scheme, _, rest in (c.partition(" ") for c in challenges)]
    digests = [parse_keqv_list(parse_http_list(rest)) for name, rest in asked if name == "digest"]
    for name in _DIGESTS:
        for given in digests:
            if given.get("algorithm", "MD5").upper() == name:
                return _digest(name, given, (method, url), (user, password))
    if any(name == "basic" for name, _ in asked):
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    return ""


def _digest(
    algorithm: str, given: Mapping[str, str], request: tuple[str, str], login: tuple[str, str]
) -> str:
    def hashed(*parts: str) -> str:
        return _DIGESTS[algorithm](":".join(parts).encode()).hexdigest()

    (method, url), (user, password) = request, login
    realm, nonce = given.get("realm", ""), given.get("nonce", "")
    first, second = hashed(user, realm, password), hashed(method, url)
    values = {"username": user, "realm": realm, "nonce": nonce, "uri": url}
    values |= {"opaque": given["opaque"]} if "opaque" in given else {}
    plain = [f"algorithm={algorithm}"] if "algorithm" in given else []
    if "auth" in given.get("qop", "").replace(" ", "").split(","):
        values["cnonce"] = cnonce = _cnonce()
        values["response"] = hashed(first, nonce, "00000001", cnonce, "auth", second)
        plain.append("qop=auth, nc=00000001")
    else:
        values["response"] = hashed(first, nonce, second)
    quoted = [f'{name}="{value}"' for name, value in values.items()]
    return "Digest " + ", ".join(quoted + plain)


def _cnonce() -> str:
    return os.urandom(8).hex()
