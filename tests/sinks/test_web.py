"""The page's server, asked as a browser would and as it should not be asked."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from pages import People, Toy, Unplugged, Viewer, ask, outputs, wait_until

from edgecv.controls import Controls, filter_by_score
from edgecv.errors import EdgeCVError, OutputError, UnknownNameError
from edgecv.pipeline import Pipeline
from edgecv.sinks import SINKS, Event, open_sink
from edgecv.sinks.web import WebOptions, WebSink
from edgecv.sinks.web.pictures import Encoding, Picture
from edgecv.sources.pattern import Pattern, PatternOptions, read_number

TOKEN = "a-token-of-some-length"
Open = Callable[..., WebSink]


@pytest.fixture
def opened() -> Iterator[Open]:
    sinks: list[WebSink] = []

    def open_page(host: str = "127.0.0.1", *, controls: Controls | None = None, **options: Any):
        sinks.append(WebSink(host, 0, WebOptions(**options), controls=controls))
        return sinks[-1]

    yield open_page
    for sink in sinks:
        sink.close()


def port_of(sink: WebSink) -> int:
    return int(sink.url.split(":")[2].partition("/")[0])


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


# -- what is served ----------------------------------------------------------------------------


def test_the_page_loads_nothing_that_is_not_served(opened: Open) -> None:
    port = port_of(opened())
    wanted: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert not [k for k, _ in attrs if k.startswith("on") or k == "style"]
            wanted.extend(v or "" for k, v in attrs if k in ("src", "href"))

    Links().feed(ask(port, "/").body.decode())
    files = {link for link in wanted if not link.startswith("data:")}
    assert files == {"/page.css", "/page.js", "/stream.mjpg"}
    for path, kind in {"/": "html", "/page.css": "css", "/page.js": "javascript"}.items():
        answer = ask(port, path)
        assert answer.status == 200
        assert kind in answer.headers["content-type"]
        assert b"http://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in answer.body
        assert "'unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    ["/page.html", "/../sink.py", "/%2e%2e/sink.py", "/..%2fsink.py", "//etc/passwd", "/page.js/"],
)
def test_nothing_else_is_served(path: str, opened: Open) -> None:
    answer = ask(port_of(opened()), path)
    assert answer.status in (307, 404)
    assert b"import" not in answer.body
    assert "content-security-policy" in answer.headers


def test_a_stream_gives_the_pictures_in_order_with_what_was_found(opened: Open) -> None:
    sink = opened(fps=0, quality=95)
    plain, drawn = (Viewer(port_of(sink), f"/stream.mjpg?overlay={n}") for n in (0, 1))
    numbers = []
    for output in outputs(5):
        sink.write(output)
        for viewer in (plain, drawn):
            headers, body = viewer.part()  # type: ignore[misc]
            image = decoded(body)
            numbers.append(int(headers["x-frame"]))
            assert read_number(image) == numbers[-1]
            assert float(headers["x-time"]) == pytest.approx(output.frame.time, abs=1e-5)
            shown = (output.frame.image, output.result.draw(output.frame.image))
            errors = [np.abs(image.astype(int) - other).mean() for other in shown]
            assert errors[viewer is drawn] < 0.7 * errors[viewer is not drawn]
    assert numbers == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    plain.close()
    drawn.close()


def test_a_picture_is_encoded_once_and_only_while_somebody_watches(opened, monkeypatch) -> None:
    encoded: list[int] = []
    encode = Picture._encode

    def counted(self: Picture, overlay: bool, notice: str) -> bytes:
        encoded.append(self.frame.index)
        return encode(self, overlay, notice)

    monkeypatch.setattr(Picture, "_encode", counted)
    sink = opened(fps=0)
    source = outputs(8)
    for _ in range(4):
        sink.write(next(source))
    assert encoded == []
    viewers = [Viewer(port_of(sink)) for _ in range(3)]
    assert [viewer.part()[0]["x-frame"] for viewer in viewers] == ["3"] * 3  # type: ignore[index]
    for output in source:
        sink.write(output)
        assert len({viewer.part()[0]["x-frame"] for viewer in viewers}) == 1  # type: ignore[index]
    assert encoded == [3, 4, 5, 6, 7]
    for viewer in viewers:
        viewer.close()


def test_viewers_are_counted_until_they_leave(opened: Open) -> None:
    sink = opened()
    port = port_of(sink)
    viewers = [Viewer(port) for _ in range(2)]
    wait_until(lambda: ask(port, "/status.json").json["viewers"] == 2)
    viewers[0].close()
    wait_until(lambda: ask(port, "/status.json").json["viewers"] == 1)
    viewers[1].close()
    wait_until(lambda: ask(port, "/status.json").json["viewers"] == 0)


def test_a_viewer_who_is_slow_gets_the_newest_picture_and_no_backlog(opened: Open) -> None:
    sink = opened(fps=0, quality=100)
    viewer = Viewer(port_of(sink))
    for output in outputs(200, width=1280, height=720):
        sink.write(output)
        time.sleep(0.005)
    last = output.frame.index
    numbers = []
    while not numbers or numbers[-1] < last:
        numbers.append(int(viewer.part()[0]["x-frame"]))  # type: ignore[index]
    assert len(numbers) < 40
    assert numbers == sorted(set(numbers))
    viewer.close()


def test_large_pictures_are_made_smaller_for_viewers(opened: Open) -> None:
    sink = opened(width=320)
    sink.write(next(outputs(width=1280, height=720)))
    assert decoded(ask(port_of(sink), "/frame.jpg").body).shape == (180, 320, 3)
    assert decoded(Picture(next(outputs()), Encoding(80, 0)).jpeg(overlay=True)).shape == (
        *(120, 160, 3),
    )


def test_a_single_picture_is_the_newest_one(opened: Open) -> None:
    sink = opened()
    port = port_of(sink)
    assert ask(port, "/frame.jpg").status == 503
    sink.write(next(outputs()))
    answer = ask(port, "/frame.jpg?overlay=0")
    assert answer.headers["content-type"] == "image/jpeg"
    assert read_number(decoded(answer.body)) == 0


# -- the figures -------------------------------------------------------------------------------


def test_the_figures_of_a_run_are_told(opened: Open) -> None:
    sink = opened()
    assert ask(port_of(sink), "/status.json").json["frame"] is None
    pipeline = Pipeline(Pattern(PatternOptions(160, 120, 50)), Toy(), [sink])
    pipeline.start()
    wait_until(lambda: pipeline.stats.results > 60)
    status = ask(port_of(sink), "/status.json").json
    pipeline.close()
    assert status["fps"] == pytest.approx(50, rel=0.5)
    assert status["frame"] | {"index": 0, "time": 0} == {
        "index": 0,
        "time": 0,
        "source": "test:pattern",
        "width": 160,
        "height": 120,
    }
    assert status["found"] == {"cat": 1, "dog": 1}
    assert 1.9 <= status["latency_ms"]["inference"]["p50"] < 50
    assert 0 < status["age_ms"]["p50"] <= status["age_ms"]["p99"]
    assert 0 <= status["now"] - status["frame"]["time"] < status["stale_after"]
    assert status["captured"] >= status["results"] > 60
    assert (status["model"], status["runtime"], status["device"]) == ("toy", "fake", "cpu")
    assert (status["score"], status["gallery"]) == (None, False)


def test_a_lost_camera_is_told_until_it_is_back_and_its_last_picture_never_shown_as_new(
    opened: Open,
) -> None:
    sink = opened()
    port = port_of(sink)
    camera = Unplugged(PatternOptions(160, 120, 30))
    pipeline = Pipeline(camera, Toy(), [sink])
    pipeline.start()
    wait_until(lambda: pipeline.stats.results > 10)
    camera.plugged = False
    lost = wait_until(lambda: ask(port, "/status.json").json["lost"])
    assert lost["source"]["message"] == "the camera was unplugged"
    wait_until(lambda: ask(port, "/frame.jpg").status == 503)
    viewer = Viewer(port)  # who comes now sees a grey picture that says how old it is
    headers, body = viewer.part()  # type: ignore[misc]
    assert headers["x-old"] == "1"
    image = decoded(body).astype(int)
    middle = image[50:, :]  # the notice is above, and coloured
    assert np.abs(middle - middle.mean(axis=2, keepdims=True)).max() <= 2
    wait_until(lambda: ask(port, "/status.json").json["fps"] == 0)
    camera.plugged = True
    wait_until(lambda: "x-old" not in viewer.part()[0])  # type: ignore[index]
    status = wait_until(lambda: (s := ask(port, "/status.json").json)["fps"] and s)
    assert status["lost"] == {}
    assert [event["event"] for event in status["events"]] == ["source_back", "source_lost"]
    viewer.close()
    pipeline.close()


def test_a_lost_device_is_told_until_it_is_back(opened: Open) -> None:
    sink = opened()
    port = port_of(sink)
    sink.event(Event("device_lost", "coral:0 is lost", time.time() - 3))
    lost = ask(port, "/status.json").json["lost"]
    assert lost["device"]["seconds"] == pytest.approx(3, abs=1)
    sink.event(Event("zone_enter", "somebody is at the door", time.time()))
    assert ask(port, "/status.json").json["lost"] == lost | {
        "device": {**lost["device"], "seconds": pytest.approx(3, abs=2)}
    }
    sink.event(Event("device_back", "coral:0 is back", time.time()))
    assert ask(port, "/status.json").json["lost"] == {}


def test_pictures_that_come_again_end_the_loss_of_the_camera(opened: Open) -> None:
    sink = opened()
    sink.event(Event("source_lost", "no camera", time.time()))
    sink.write(next(outputs()))
    assert ask(port_of(sink), "/status.json").json["lost"] == {}


# -- who may do what ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:1", 200),  # through a tunnel, the port is another
        ("[::1]:8080", 200),
        ("LOCALHOST", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:80", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_on_loopback_the_page_has_no_other_name(host: str, status: int, opened: Open) -> None:
    port = port_of(opened())
    for path in ("/", "/status.json"):
        assert ask(port, path, Host=host).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 200),
        (None, 403),
        ("null", 403),
        ("http://evil.example", 403),
        ("http://127.0.0.1", 403),
        ("http://127.0.0.1:{port}.evil.example", 403),
    ],
)
def test_only_the_page_itself_changes_things(origin: str | None, status: int, opened: Open) -> None:
    controls = Controls(0.4, gallery=People("Ada"))
    port = port_of(opened(controls=controls))
    headers = {"Origin": origin and origin.format(port=port)}
    assert ask(port, "/score", "POST", {"score": 0.6}, **headers).status == status
    assert ask(port, "/people", "PATCH", {"name": "Ada", "new": "A"}, **headers).status == status
    assert ask(port, "/people", "DELETE", {"name": "A"}, **headers).status == status
    assert (controls.score == 0.6) == (status == 200)
    assert controls.gallery.names() == ([] if status == 200 else ["Ada"])  # type: ignore[union-attr]


def test_another_interface_wants_a_token_that_is_told_once(opened: Open, caplog) -> None:
    with caplog.at_level(logging.INFO):
        sink = opened("0.0.0.0")
    port, token = port_of(sink), sink.url.partition("?token=")[2]
    assert len(token) >= 22
    assert sink.url in caplog.text
    assert opened("0.0.0.0").url.partition("?token=")[2] != token
    for path in ("/", "/page.js", "/status.json", "/stream.mjpg", "/frame.jpg", "/nothing"):
        for wrong in ("", "?token=", "?token=wrong", f"?token={token[:-1]}", f"?token={token}x"):
            answer = ask(port, path + wrong)
            assert answer.status == 401
            assert "set-cookie" not in answer.headers
            assert token.encode() not in answer.body
    answer = ask(port, f"/?token={token}", Host=f"pi.local:{port}")
    assert answer.status == 200
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert ask(port, "/status.json", Cookie=cookie).status == 200
    assert ask(port, "/status.json", Cookie=cookie.replace("edgecv", "x")).status == 401
    assert ask(port, "/status.json", Cookie=cookie + "x").status == 401


def test_a_token_of_ones_own_guards_loopback_too(opened: Open) -> None:
    controls = Controls(0.5)
    sink = opened(token=TOKEN, controls=controls)
    port = port_of(sink)
    assert sink.url.endswith(f"/?token={TOKEN}")
    assert ask(port, "/").status == 401
    assert ask(port, "/score", "POST", {"score": 0.1}).status == 401
    assert controls.score == 0.5
    assert ask(port, f"/score?token={TOKEN}", "POST", {"score": 0.1}).status == 200


@pytest.mark.parametrize(
    "uri", ["web://127.0.0.1:0?token=short", "web://?token=has%20space%20in%20it"]
)
def test_a_weak_token_is_refused(uri: str) -> None:
    with pytest.raises(OutputError, match="at least 12 letters"):
        open_sink(uri)


# -- what may be changed -----------------------------------------------------------------------


def test_the_threshold_changes_the_results_of_a_run(opened: Open) -> None:
    controls = Controls(0.3, lowest=0.1)
    sink = opened(controls=controls)
    port = port_of(sink)
    pipeline = Pipeline(
        Pattern(PatternOptions(160, 120, 50)),
        Toy(),
        [sink],
        after=lambda frame, result: (filter_by_score(result, controls.score), {}),
    )
    pipeline.start()
    wait_until(lambda: ask(port, "/status.json").json.get("found") == {"cat": 1, "dog": 1})
    assert ask(port, "/score", "POST", {"score": 0.6}).json == {"score": 0.6}
    wait_until(lambda: ask(port, "/status.json").json["found"] == {"cat": 1})
    assert ask(port, "/score", "POST", {"score": 1}).status == 200
    wait_until(lambda: ask(port, "/status.json").json["found"] == {})
    pipeline.close()


@pytest.mark.parametrize(
    ("path", "method", "body", "headers", "status", "error"),
    [
        ("/score", "POST", {"score": 0.05}, {}, 400, "wanted a score in 0.1..1"),
        ("/score", "POST", {"score": True}, {}, 400, "a number"),
        ("/score", "POST", {"score": "0.5"}, {}, 400, "a number"),
        ("/score", "POST", b'{"score": NaN}', {}, 400, "wanted a score in 0.1..1"),
        ("/score", "POST", {}, {}, 400, "a number"),
        ("/score", "POST", [1], {}, 400, "JSON object"),
        ("/score", "POST", b"{", {}, 400, "JSON object"),
        ("/score", "POST", b"\xff", {}, 400, "JSON object"),
        ("/score", "POST", b"[" * 4000, {}, 400, "JSON object"),
        ("/score", "POST", b" " * 5000, {}, 413, "at most"),
        ("/score", "POST", {"score": 0.5}, {"Content_Type": "text/plain"}, 415, "application/json"),
        ("/score", "GET", None, {}, 405, "Not Allowed"),
        ("/people", "POST", {"name": "  "}, {}, 400, "a name is wanted"),
        ("/people", "POST", {"name": 7}, {}, 400, "a text"),
        ("/people", "POST", {"name": "x" * 65}, {}, 400, "at most 64"),
        ("/people", "POST", {"name": "a\x00b"}, {}, 400, "printable"),
        ("/people", "POST", {"name": "Nobody"}, {}, 409, "there is no face in the picture"),
        ("/people", "PATCH", {"name": "Eve", "new": "Ada"}, {}, 409, "nobody is called Eve"),
        ("/people", "PATCH", {"name": "Bob"}, {}, 400, "a text"),
        ("/people", "DELETE", {}, {}, 400, "a text"),
    ],
)
def test_what_makes_no_sense_is_refused_with_why(
    path, method, body, headers, status, error, opened: Open
) -> None:
    sink = opened(controls=Controls(0.4, lowest=0.1, gallery=People("Bob")))
    sink.write(next(outputs()))
    answer = ask(port_of(sink), path, method, body, **headers)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert error in answer.json["error"]


def test_people_are_enrolled_from_the_newest_picture_renamed_and_deleted(opened: Open) -> None:
    people = People("Bob")
    sink = opened(controls=Controls(gallery=people))
    port = port_of(sink)
    assert ask(port, "/people").json["people"] == ["Bob"]
    assert "no picture yet" in ask(port, "/people", "POST", {"name": "Ada"}).json["error"]
    for output in outputs(3):
        sink.write(output)
    answer = ask(port, "/people", "POST", {"name": " Ada  Lovelace "}).json
    assert answer == {"message": "Ada Lovelace is enrolled.", "people": ["Ada Lovelace", "Bob"]}
    assert read_number(people.pictures["Ada Lovelace"]) == 2
    assert people.pictures["Ada Lovelace"] is output.frame.image
    odd = "Zoë ../\\ <b>"
    renamed = ask(port, "/people", "PATCH", {"name": "Bob", "new": odd}).json
    assert renamed["people"] == ["Ada Lovelace", odd]
    assert ask(port, "/people", "DELETE", {"name": odd}).json["people"] == ["Ada Lovelace"]


def test_nobody_is_enrolled_from_an_old_picture(opened: Open) -> None:
    people = People()
    sink = opened(controls=Controls(gallery=people))
    old = next(outputs())
    frame = type(old.frame)(old.frame.image, 0, time.monotonic() - 60, "camera")
    sink.write(old._replace(frame=frame))
    answer = ask(port_of(sink), "/people", "POST", {"name": "Ada"})
    assert answer.status == 503
    assert "60 s old" in answer.json["error"]
    assert people.known == []


def test_two_who_enrol_at_once_are_taken_one_after_the_other(opened: Open) -> None:
    people = People()
    sink = opened(controls=Controls(gallery=people))
    sink.write(next(outputs()))
    port = port_of(sink)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda i: ask(port, "/people", "POST", {"name": f"P{i}"}).status, range(8)
        )
        assert set(answers) == {200}
    assert people.names() == [f"P{i}" for i in range(8)]


def test_without_controls_nothing_can_be_changed(opened: Open) -> None:
    sink = opened()
    sink.write(next(outputs()))
    port = port_of(sink)
    assert ask(port, "/score", "POST", {"score": 0.5}).status == 400
    assert ask(port, "/people").status == 404
    assert ask(port, "/people", "POST", {"name": "Ada"}).status == 404


# -- from start to end -------------------------------------------------------------------------


def test_a_port_in_use_is_refused_with_one_that_is_free(opened: Open) -> None:
    port = port_of(opened())
    with pytest.raises(OutputError, match=f"port {port} of 127.0.0.1 is in use; free is") as error:
        open_sink(f"web://127.0.0.1:{port}")
    free = str(error.value).rpartition(" ")[2]
    sink = open_sink(free)
    sink.close()


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        ("web://127.0.0.1:99999", OutputError, "1 to 65535"),
        ("web://127.0.0.1:0/path", OutputError, "a host and a port alone"),
        ("web://user@127.0.0.1:0", OutputError, "a host and a port alone"),
        ("web://127.0.0.1:0?quality=0", OutputError, "1 to 100"),
        ("web://127.0.0.1:0?fps=-1", OutputError, "a number from 0"),
        ("web://127.0.0.1:0?speed=3", UnknownNameError, "no option 'speed'"),
        ("web://203.0.113.7:0", OutputError, "cannot listen on port 0 of 203.0.113.7"),
        ("web://no.such.host.invalid:0", OutputError, "cannot listen on no.such.host.invalid"),
    ],
)
def test_a_uri_that_makes_no_sense_is_refused(uri, kind: type[EdgeCVError], message) -> None:
    with pytest.raises(kind, match=message):
        open_sink(uri)


def test_it_ends_within_a_second_whoever_watches() -> None:
    before = set(threading.enumerate())
    sink = WebSink(port=0, options=WebOptions(fps=0, quality=100))
    port = port_of(sink)
    reading = [Viewer(port) for _ in range(3)]
    stuck = Viewer(port)  # reads nothing, so that its buffers fill
    idle = socket.create_connection(("127.0.0.1", port))
    for output in outputs(30, width=1280, height=720):
        sink.write(output)
        reading[0].part()
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 1
    while reading[0].part():
        pass
    for viewer in (*reading, stuck):
        viewer.close()
    idle.close()
    assert set(threading.enumerate()) - before <= {t for t in threading.enumerate() if t.daemon}
    again = WebSink(port=port)  # the port is free at once
    again.close()
    again.close()
    sink.write(next(outputs()))  # and a late result does no harm


def test_an_app_hands_its_controls_to_the_sink_it_opens() -> None:
    sink = SINKS.load("web")("web://127.0.0.1:0", controls=Controls(0.25))
    assert ask(port_of(sink), "/status.json").json["score"] == 0.25
    sink.close()


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_its_packages_the_line_that_installs_them_is_told(package: str) -> None:
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
from edgecv.sinks import open_sink
open_sink("web://")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"the package {package!r} is not installed: pip install 'edgecv[web]'" in done.stderr
