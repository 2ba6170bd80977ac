from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from itertools import islice
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from cameras import PASSWORD, USER, HttpCamera, jpegs, write_video

from edgecv.errors import SourceError
from edgecv.model import Model
from edgecv.pipeline import Pipeline
from edgecv.sources.pattern import read_number
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"


@pytest.fixture
def camera(tmp_path) -> Iterator[HttpCamera]:
    server = HttpCamera(tmp_path)
    yield server
    server.stop()


@pytest.mark.parametrize("path", ["/video", "/nolength", "/quirks", "/video?width=640&a=b"])
def test_every_picture_of_an_mjpeg_stream_comes(opened, camera, path) -> None:
    source = opened(camera.url(path))
    frames = list(islice(source, 30))
    source.close()
    assert source.live
    assert [read_number(frame.image) for frame in frames] == list(range(30))
    assert [frame.index for frame in frames] == list(range(30))
    assert all(np.diff([frame.time for frame in frames]) > 0)
    assert camera.requests == [path]


def test_a_stream_may_change_its_size(opened, camera) -> None:
    source = opened(camera.url("/resize"))
    sizes = [frame.image.shape[:2] for frame in islice(source, 9)]
    assert sizes == [(240, 320)] * 3 + [(480, 640)] * 3 + [(96, 128)] * 3


def test_damaged_pictures_are_passed_over(opened, camera) -> None:
    source = opened(camera.url("/damaged"))
    assert [read_number(frame.image) for frame in islice(source, 5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("path", ["/basic", "/digest"])
def test_user_and_password_are_taken_from_the_address_and_not_said(opened, camera, path) -> None:
    source = opened(camera.url(path, LOGIN))
    frame = next(source)
    assert read_number(frame.image) == 0
    assert frame.source == camera.url(path, f"{USER}:***")


@pytest.mark.parametrize("path", ["/basic", "/digest"])
@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("", "wants a user and a password: http://USER:PASSWORD@"),
        ("bob:wrong", "the user 'bob' or the password was refused"),
    ],
    ids=["none", "wrong"],
)
def test_a_wrong_password_is_an_error_that_says_so(opened, camera, path, user, said) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        opened(camera.url(path, user))
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/gone", "the server says 404"),
        ("/page", "gives text/html: wanted an MJPEG stream .* address of the camera's page"),
        ("/text.jpg", "is no picture that OpenCV reads"),
    ],
)
def test_an_address_of_something_else_is_an_error(opened, camera, tmp_path, path, said) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(SourceError, match=said):
        opened(camera.url(path))


def test_a_server_that_is_off_is_an_error(opened, camera) -> None:
    url = camera.url("/video", "bob:secret")
    camera.stop()
    with pytest.raises(SourceError, match="nothing listens on that port") as caught:
        opened(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "count", "said"),
    [
        ("/ends", 5, "was ended by the server"),
        ("/stalls#timeout=0.2", 2, "sends no more pictures"),
        ("/junk", 0, "30 pictures in a row are no JPEGs"),
    ],
)
def test_a_stream_that_stops_is_an_error_and_is_opened_again(
    opened, camera, path, count, said
) -> None:
    source = opened(camera.url(path))
    for _ in range(2):
        assert [read_number(frame.image) for frame in islice(source, count)] == [*range(count)]
        with pytest.raises(SourceError, match=said):
            next(source)
    assert len(camera.requests) == 2


def test_a_pipeline_gets_over_a_server_that_was_restarted(opened) -> None:
    class Watch:
        buffer = 1

        def __init__(self) -> None:
            self.events: list[str] = []
            self.server = HttpCamera()
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
                self.server = HttpCamera(port=self.server.port)

        def close(self) -> None:
            self.server.stop()

    watch = Watch()
    spec = ModelSpec("fake", "detection", "ssd_postprocess", labels=("cat",))
    shapes = {"boxes": (1, 1, 4), "classes": (1, 1), "scores": (1, 1), "count": (1,)}
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    model = Model(FakeSession(outputs), spec, runtime="fake", device="cpu")
    source = opened(watch.server.url("/video"))
    Pipeline(source, model, [watch]).run()
    assert watch.events == ["source_lost", "source_back"]


def test_a_picture_is_one_frame_and_may_be_fetched_again(opened, camera, tmp_path) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpegs(1)[0])
    assert len(list(opened(camera.url("/photo.jpg")))) == 1
    source = opened(camera.url("/photo.jpg#fps=50"))
    frames = list(islice(source, 4))
    assert [read_number(frame.image) for frame in frames] == [0] * 4
    assert frames[3].time - frames[0].time > 2.5 / 50
    assert len(camera.requests) == 1 + 4


def test_a_video_behind_an_address_is_read_to_its_end(opened, camera, tmp_path) -> None:
    write_video(tmp_path / "a.mp4", 12)
    source = opened(camera.url("/a.mp4"))
    assert not source.live
    assert [read_number(frame.image) for frame in source] == list(range(12))


def test_a_certificate_that_nobody_signed_is_refused_unless_told_otherwise(
    opened, camera, tmp_path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=camera", "-keyout", str(key), "-out", str(certificate)),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    camera._server.socket = context.wrap_socket(camera._server.socket, server_side=True)
    url = camera.url("/video").replace("http:", "https:")
    with pytest.raises(SourceError, match=r"cannot be trusted .* '#verify=0'"):
        opened(url)
    source = opened(f"{url}#verify=0")
    assert read_number(next(source).image) == 0
    source.close()


def test_a_picture_that_would_fill_the_memory_is_not_decoded(opened, camera, tmp_path) -> None:
    bomb = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    bomb[16:24] = (60000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(SourceError, match="no picture that OpenCV reads"):
        opened(camera.url("/bomb.png"))
