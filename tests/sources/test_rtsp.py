from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from threading import Event, Thread
from urllib.parse import quote

import numpy as np
import pytest
from cameras import PASSWORD, RTSP_PACKAGES, USER, RtspCamera, rtsp_python, write_video

from edgecv.errors import SourceError
from edgecv.model import Model
from edgecv.pipeline import Pipeline
from edgecv.sources import open_source
from edgecv.sources.rtsp import check_server, check_stream
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"


@pytest.fixture
def camera() -> Iterator[Callable[..., RtspCamera]]:
    if not rtsp_python():
        pytest.skip(f"needs GStreamer's RTSP server: apt install {RTSP_PACKAGES}")
    running: list[RtspCamera] = []

    def start(*options: str, port: int = 0) -> RtspCamera:
        running.append(RtspCamera(*options, port=port))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Return the address of a server that answers every request with the same bytes."""
    server = socket.create_server(("127.0.0.1", 0))
    replies: list[bytes] = []
    ended = Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                while replies[0] and connection.recv(4096):
                    connection.sendall(replies[0])
                if not replies[0]:
                    ended.wait(30)

    thread = Thread(target=serve, daemon=True)

    def start(reply: bytes) -> str:
        replies.append(reply)
        thread.start()
        return f"rtsp://bob:secret@127.0.0.1:{server.getsockname()[1]}/live"

    yield start
    ended.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.mark.rtsp
@pytest.mark.parametrize("codec", ["jpeg", "vp8", "h264"])
def test_pictures_of_an_rtsp_camera_come_one_after_the_other(camera, opened, codec) -> None:
    if codec == "h264" and not _has_element("openh264enc"):
        pytest.skip("needs an encoder of H.264: apt install gstreamer1.0-plugins-bad")
    server = camera("--codec", codec)
    source = opened(server.url())
    frames = list(islice(source, 30))
    assert source.live
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    assert [frame.index for frame in frames] == list(range(30))
    assert all(np.diff([frame.time for frame in frames]) > 0)
    assert sum((a.image != b.image).any() for a, b in pairwise(frames)) > 20  # the ball moves


def _has_element(name: str) -> bool:
    tool = shutil.which("gst-inspect-1.0")
    return bool(tool) and not subprocess.run([str(tool), "--exists", name], check=False).returncode


@pytest.mark.rtsp
@pytest.mark.parametrize("method", ["basic", "digest"])
def test_user_and_password_are_taken_from_the_address_and_not_said(camera, opened, method) -> None:
    server = camera("--auth", method, USER, PASSWORD)
    frame = next(opened(server.url(LOGIN)))
    assert frame.image.shape == (240, 320, 3)
    assert frame.source == server.url(f"{USER}:***")


@pytest.mark.rtsp
@pytest.mark.parametrize("method", ["basic", "digest"])
@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("", "wants a user and a password: rtsp://USER:PASSWORD@"),
        ("bob:wrong", "the user 'bob' or the password was refused"),
        ("eve:wrong", "the user 'eve' or the password was refused"),
    ],
    ids=["none", "wrong password", "wrong user"],
)
def test_a_wrong_password_is_an_error_that_says_so(camera, method, user, said) -> None:
    server = camera("--auth", method, USER, PASSWORD)
    with pytest.raises(SourceError, match=said) as caught:
        open_source(server.url(user))
    assert "wrong" not in str(caught.value)


@pytest.mark.rtsp
def test_a_stream_that_the_camera_does_not_have_is_an_error(camera) -> None:
    with pytest.raises(SourceError, match="the camera has no stream '/front'"):
        open_source(camera().url(path="/front"))


@pytest.mark.rtsp
def test_a_pipeline_gets_over_a_camera_that_was_restarted(camera) -> None:
    class Watch:
        buffer = 1

        def __init__(self) -> None:
            self.events: list[str] = []
            self.server = camera()
            self.results = 0

        def write(self, output: object) -> None:
            self.results += 1
            if self.results == 10:
                self.server.stop()
            if "source_back" in self.events:
                raise StopIteration

        def event(self, event) -> None:
            self.events.append(event.kind)
            if event.kind == "source_lost":
                self.server = camera(port=self.server.port)

        def close(self) -> None:
            pass

    watch = Watch()
    spec = ModelSpec("fake", "detection", "ssd_postprocess", labels=("cat",))
    shapes = {"boxes": (1, 1, 4), "classes": (1, 1), "scores": (1, 1), "count": (1,)}
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    model = Model(FakeSession(outputs), spec, runtime="fake", device="cpu")
    Pipeline(open_source(watch.server.url()), model, [watch]).run()
    assert watch.events == ["source_lost", "source_back"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is no RTSP server"),
        (b"RTSP/1.0 404 Not Found\r\n\r\n", "the camera has no stream '/live'"),
        (b"RTSP/1.0 453 Not Enough Bandwidth\r\n\r\n", "the camera says 453 Not Enough Bandwidth"),
        (b"RTSP/1.0 403 Forbidden\r\n\r\n", "the user 'bob' or the password was refused"),
        (b"RTSP/1.0 401 Unauthorized\r\n\r\n", "the user 'bob' or the password was refused"),
        (b"", "does not answer"),
    ],
)
def test_what_a_server_answers_is_said_without_the_password(answering, reply, said) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        check_stream(answering(reply), seconds=0.2)
    assert "secret" not in str(caught.value)


def test_a_server_that_describes_its_stream_is_good(answering) -> None:
    check_stream(answering(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\nv=0\r\n"))


def test_a_server_that_wants_a_password_is_there(answering) -> None:
    check_server(answering(b"RTSP/1.0 401 Unauthorized\r\n\r\n"))


def test_a_silent_camera_does_not_keep_another_one_from_being_opened(answering, tmp_path) -> None:
    url = answering(b"")
    path = write_video(tmp_path / "a.mp4", 1)
    said: list[Exception] = []

    def wait_for_it() -> None:
        try:
            open_source(f"{url}#timeout=2")
        except SourceError as error:
            said.append(error)

    waiting = Thread(target=wait_for_it)
    waiting.start()
    time.sleep(0.2)
    open_source(path).close()
    assert waiting.is_alive()
    waiting.join()
    assert "does not answer" in str(said[0])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rtsp://127.0.0.1:1/live", "127.0.0.1:1 is there, but nothing listens on that port"),
        ("rtsp://no-such-camera.invalid/live", "no host 'no-such-camera.invalid' is known"),
        ("rtsp:///live", "names no host"),
    ],
    ids=["refused", "unknown", "no host"],
)
def test_a_camera_that_is_not_there_is_an_error(url, said) -> None:
    with pytest.raises(SourceError, match=said):
        open_source(url)
