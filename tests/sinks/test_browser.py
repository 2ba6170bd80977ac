"""The page in a real Chromium, headless."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("selenium")

from pages import People, Toy, Unplugged, outputs, wait_until
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from edgecv.controls import Controls, filter_by_score
from edgecv.enrolment import face_to_enroll
from edgecv.faces import embed_faces, with_identity
from edgecv.gallery import Gallery, open_gallery
from edgecv.model import Model, load
from edgecv.pipeline import Pipeline
from edgecv.results import Faces
from edgecv.sinks.web import WebOptions, WebSink
from edgecv.sources.pattern import PatternOptions, read_number
from edgecv.types import Frame, Image

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser for all tests; each opens its own page."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("needs the Debian packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield driver
    driver.quit()


class Page:
    """An open page, as its user sees it."""

    def __init__(self, driver: Any, url: str, size_wh: tuple[int, int] = DESKTOP) -> None:
        self.driver = driver
        width, height = size_wh
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get(url)

    def __getitem__(self, name: str) -> Any:
        return self.driver.find_element(By.ID, name)

    def text(self, name: str) -> str:
        return str(self[name].text)

    def wait_for(self, name: str, text: str) -> None:
        wait_until(lambda: text in self.text(name))

    def run(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def picture(self) -> tuple[Image, int]:
        """Return the pixels on the screen, and the number of the frame that they are said to be."""
        url, number = self.run(
            "const c = document.getElementById('picture');"
            "return [c.toDataURL('image/png'), Number(c.dataset.frame ?? -1)]"
        )
        data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), int(number)

    def button(self, name: str) -> Any:
        """Return the button with an accessible name."""
        buttons = self.driver.find_elements(By.TAG_NAME, "button")
        return next(b for b in buttons if b.is_displayed() and b.accessible_name == name)

    def complaints(self) -> list[str]:
        """Return what the console says, other than that a server is gone."""
        lines = [entry["message"] for entry in self.driver.get_log("browser")]
        return [line for line in lines if "net::ERR" not in line]


class Running:
    """A run that a page shows."""

    def __init__(self, controls: Controls | None = None, **options: Any) -> None:
        self.controls = controls or Controls(0.3, lowest=0.1)
        self.sink = WebSink(port=0, options=WebOptions(**options), controls=self.controls)
        self.url = self.sink.url
        self.camera = Unplugged(PatternOptions(320, 240, 30))
        self.pipeline = Pipeline(
            self.camera,
            Toy(),
            [self.sink],
            after=lambda frame, result: (filter_by_score(result, self.controls.score), {}),
        )

    def __enter__(self) -> Running:
        self.pipeline.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.pipeline.close()


def test_the_picture_advances_and_is_the_frame_it_is_said_to_be(driver) -> None:
    with Running(width=0, quality=95) as run:
        page = Page(driver, run.url)
        numbers: list[int] = []
        while len(numbers) < 5:
            image, number = wait_until(lambda: (p := page.picture())[1] >= 0 and p)
            assert image.shape == (240, 320, 3)
            assert read_number(image) == number
            numbers.append(number)
            wait_until(lambda: page.picture()[1] > numbers[-1])
        assert numbers == sorted(set(numbers))
        page.wait_for("state", "Live")
        assert 0 <= float(page.text("age")) < 1000
        wait_until(lambda: page.text("fps") not in ("–", "0.0"))
        assert "toy · cpu / fake · test:pattern" in page.text("run")
        assert page.complaints() == []


def test_the_overlay_can_be_switched_off(driver) -> None:
    with Running(quality=100) as run:
        page = Page(driver, run.url)
        edge = (slice(45, 90), slice(20, 21))  # the left side of the cat's box

        def spread() -> float:
            return float(page.picture()[0][edge].reshape(-1, 3).astype(int).std(axis=0).max())

        wait_until(lambda: page.picture()[1] >= 0)
        drawn = spread()
        page["overlay"].click()
        assert page["overlay"].accessible_name == "Overlay"
        wait_until(lambda: abs(spread() - drawn) > 5)
        number = page.picture()[1]
        wait_until(lambda: page.picture()[1] > number + 3)
        page["overlay"].click()
        wait_until(lambda: abs(spread() - drawn) < 5)
        assert page.complaints() == []


def test_the_slider_changes_the_results(driver) -> None:
    with Running() as run:
        page = Page(driver, run.url)
        page.wait_for("found", "dog")
        slider = page["score"]
        assert slider.accessible_name == "Threshold"
        assert slider.get_attribute("min") == "0.1"
        for _ in range(20):
            slider.send_keys(Keys.ARROW_RIGHT)
        assert page.text("score-value") == "0.50"
        wait_until(lambda: run.controls.score == 0.5)
        wait_until(lambda: "dog" not in page.text("found"))
        assert "cat" in page.text("found")
        slider.send_keys(Keys.HOME)
        wait_until(lambda: run.controls.score == 0.1)
        page.wait_for("found", "dog")
        run.controls.score = 0.7  # by another page
        page.wait_for("score-value", "0.70")
        assert slider.get_attribute("value") == "0.7"
        assert page.complaints() == []


def test_a_lost_camera_is_shown_with_for_how_long_and_its_last_picture_is_grey(driver) -> None:
    with Running() as run:
        page = Page(driver, run.url)
        page.wait_for("state", "Live")
        assert not page["notice"].is_displayed()
        run.camera.plugged = False
        page.wait_for("state", "Camera lost")
        page.wait_for("notice", "Camera lost, 2 s")
        assert "the camera was unplugged" in page.text("notice")
        assert "grayscale" in page["picture"].value_of_css_property("filter")
        assert float(page.text("age")) > 1000
        assert "the camera was unplugged" in page.text("events")
        run.camera.plugged = True
        page.wait_for("state", "Live")
        assert not page["notice"].is_displayed()
        assert page["picture"].value_of_css_property("filter") == "none"
        page.wait_for("events", "test:pattern is back")
        assert page.complaints() == []


def test_a_camera_that_hangs_without_a_word_is_shown(driver) -> None:
    with WebSinkAlone() as sink:
        page = Page(driver, sink.url)
        sink.write(next(outputs()))
        page.wait_for("state", "No new picture")
        page.wait_for("notice", "This picture is 2 s old")
        later = Page(driver, sink.url)  # who comes now sees that it is old, too
        later.wait_for("state", "No new picture")
        wait_until(lambda: later.picture()[1] == 0)
        assert "grayscale" in later["picture"].value_of_css_property("filter")


def test_a_server_that_is_gone_is_shown_and_looked_for_until_it_is_back(driver) -> None:
    with WebSinkAlone() as sink:
        page = Page(driver, sink.url)
        sink.write(next(outputs()))
        wait_until(lambda: page.picture()[1] == 0)
        port = int(sink.url.split(":")[2].strip("/"))
        sink.close()
        page.wait_for("state", "Disconnected")
        page.wait_for("notice", "No answer for 4 s")
        again = WebSink(port=port)
        source = outputs(1000)
        next(source)
        while page.picture()[1] == 0:
            again.write(next(source))
            time.sleep(0.05)
        page.wait_for("state", "No new picture")
        again.close()


class WebSinkAlone(WebSink):
    """A page without a run."""

    def __init__(self) -> None:
        super().__init__(port=0, options=WebOptions(fps=0))

    def __enter__(self) -> WebSinkAlone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_the_token_moves_from_the_address_into_a_cookie_that_no_script_reads(driver) -> None:
    with Running(token="a-token-of-some-length") as run:
        bare = run.url.partition("?")[0]
        page = Page(driver, bare)
        assert "wants its token" in driver.find_element(By.TAG_NAME, "body").text
        page = Page(driver, run.url)
        page.wait_for("state", "Live")
        assert driver.current_url == bare
        assert page.run("return document.cookie") == ""
        page = Page(driver, bare)
        page.wait_for("state", "Live")
        assert [line for line in page.complaints() if "401" not in line] == []
    driver.delete_all_cookies()


def test_people_are_enrolled_renamed_and_deleted_and_odd_names_are_only_text(driver) -> None:
    people = People("Ada", "<img src=x onerror=alert(1)>")
    with Running(Controls(gallery=people)) as run:
        page = Page(driver, run.url)
        page.wait_for("people", "<img src=x onerror=alert(1)>")
        assert not page["threshold-card"].is_displayed()
        wait_until(lambda: page.picture()[1] >= 0)
        assert page["name"].accessible_name == "Name of the person in the picture"
        page["name"].send_keys("Grace Hopper" + Keys.ENTER)
        page.wait_for("people-message", "Grace Hopper is enrolled.")
        page.wait_for("people", "Grace Hopper")
        assert read_number(people.pictures["Grace Hopper"]) >= 0
        page["name"].send_keys("Nobody")
        page.button("Enrol").click()
        page.wait_for("people-message", "there is no face in the picture")
        page.button("Rename Ada").click()
        page["dialog-name"].clear()
        page["dialog-name"].send_keys("Ada Lovelace" + Keys.ENTER)
        page.wait_for("people-message", "Ada is now Ada Lovelace.")
        page.button("Delete Grace Hopper").click()
        page["dialog-cancel"].click()
        page.button("Delete Grace Hopper").click()
        page["dialog-ok"].click()
        page.wait_for("people-message", "Grace Hopper is deleted.")
        assert people.names() == ["<img src=x onerror=alert(1)>", "Ada Lovelace"]
        assert [line for line in page.complaints() if "409" not in line] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size_wh", [DESKTOP, PHONE, (320, 568)], ids=["desktop", "phone", "small"])
def test_everything_fits_the_screen_has_a_name_and_can_be_read(driver, size_wh, dark) -> None:
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    name = "a-name-of-sixty-four-letters-that-has-no-spaces-at-all-within-it"
    with Running(Controls(0.3, gallery=People(name))) as run:
        page = Page(driver, run.url, size_wh)
        page.wait_for("state", "Live")
        page.wait_for("people", name)
        assert page.run("return document.documentElement.scrollWidth") <= size_wh[0]
        for kind in ("input", "button"):
            for element in driver.find_elements(By.TAG_NAME, kind):
                if element.is_displayed():
                    assert element.accessible_name
                    assert element.rect["height"] >= (22 if element.aria_role == "switch" else 32)
                    assert element.rect["x"] + element.rect["width"] <= size_wh[0]
        inks = [
            page.run(CONTRAST, selector) for selector in (".help", "dt", "dd", "button.primary")
        ]
        assert min(inks) >= 4.5  # WCAG 2.2, 1.4.3
        assert page.complaints() == []
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


CONTRAST = """
const element = [...document.querySelectorAll(arguments[0])].find((e) => e.offsetParent);
const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (text) => {
  const [r, g, b] = numbers(text).slice(0, 3)
    .map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
let under = element;
while (numbers(getComputedStyle(under).backgroundColor)[3] === 0) under = under.parentElement;
const colors = [getComputedStyle(element).color, getComputedStyle(under).backgroundColor];
const [a, b] = colors.map(light);
return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
"""


class Portrait:
    """A camera before which somebody sits."""

    live = True

    def __init__(self, image: Image) -> None:
        self._pattern = Unplugged(PatternOptions(64, 32, 10))
        self._image = image

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        frame = next(self._pattern)
        return Frame(self._image, frame.index, frame.time, "portrait")

    def close(self) -> None:
        self._pattern.close()


class FaceId:
    """Real models: faces found, embedded, and compared with a real gallery."""

    def __init__(self, folder: Path) -> None:
        self.detector: Model = load("yunet_n_320")
        self.embedder: Model = load("mobilefacenet_int8")
        self.gallery: Gallery = open_gallery(folder / "faces.db", self.embedder)

    def __call__(self, image: Image) -> Faces:
        faces = self.detector(image)
        assert isinstance(faces, Faces)
        embeddings = embed_faces(image, faces, self.embedder)
        names, matrix = self.gallery.matrix()
        return with_identity(faces, embeddings, matrix, names, threshold=0.4)

    def names(self) -> list[str]:
        return [person.name for person in self.gallery.names()]

    def enroll(self, name: str, image: Image) -> str:
        faces = self.detector(image)
        assert isinstance(faces, Faces)
        face = faces[face_to_enroll(image, faces)]
        self.gallery.enroll(name, embed_faces(image, face, self.embedder))
        return f"{name} is enrolled."

    def rename(self, old: str, new: str) -> None:
        self.gallery.rename(old, new)

    def delete(self, name: str) -> None:
        self.gallery.delete(name)

    def close(self) -> None:
        self.gallery.close()


@pytest.mark.zoo
def test_a_face_that_was_enrolled_from_the_page_is_known_by_its_name(driver, zoo, tmp_path) -> None:
    photographs = pytest.importorskip("skimage.data")
    image = cv2.cvtColor(photographs.astronaut(), cv2.COLOR_RGB2BGR)
    face_id = FaceId(tmp_path)
    sink = WebSink(port=0, controls=Controls(gallery=face_id))
    pipeline = Pipeline(Portrait(image), face_id, [sink])
    pipeline.start()
    page = Page(driver, sink.url)
    page.wait_for("found", "face 1")
    page["name"].send_keys("Eileen Collins")
    page.button("Enrol").click()
    page.wait_for("people-message", "Eileen Collins is enrolled.")
    page.wait_for("found", "Eileen Collins 1")
    page.button("Rename Eileen Collins").click()
    page["dialog-name"].clear()
    page["dialog-name"].send_keys("Eileen" + Keys.ENTER)
    page.wait_for("found", "Eileen 1")
    page.button("Delete Eileen").click()
    page["dialog-ok"].click()
    page.wait_for("found", "face 1")
    assert page.complaints() == []
    pipeline.close()
    face_id.close()
