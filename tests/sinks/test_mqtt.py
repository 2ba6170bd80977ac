"""Results to a real mosquitto, which is also killed, restarted, locked and deaf."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paho.mqtt.client")

from pages import Toy, outputs, wait_until
from paho.mqtt import client as paho

from edgecv.errors import OutputError, UnknownNameError
from edgecv.pipeline import Pipeline
from edgecv.sinks import Event, open_sink
from edgecv.sinks.homeassistant import discovery
from edgecv.sinks.jsonl import JsonLines, record
from edgecv.sinks.mqtt import ON_THE_WAY, WAITING, Mqtt
from edgecv.sources.pattern import Pattern, PatternOptions

PASSWORD = "pa:ss/w@rd"
QUOTED = "pa%3Ass%2Fw%40rd"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


class Broker:
    """A mosquitto on a port of its own."""

    def __init__(self, folder: Path, program: str) -> None:
        self.port = free_port()
        self.folder, self._program = folder, program
        self.lines = ["allow_anonymous true"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        root = ["user root"] if os.geteuid() == 0 else []
        config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *root, *self.lines, ""]))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", config], stderr=log, stdout=log)
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def set_password(self, user: str, password: str) -> None:
        file = self.folder / "passwords"
        program = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
        done = [program, "-b", "-c", str(file), user, password]
        subprocess.run(done, check=True, capture_output=True)
        file.chmod(0o600)
        self.lines = ["allow_anonymous false", f"password_file {file}"]

    def stop(self) -> None:
        """End it in good order, so that it writes down what it knows."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Broker]:
    """A broker that is not running yet."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs the Debian package mosquitto")
    broker = Broker(tmp_path, program)
    yield broker
    broker.kill()


@pytest.fixture
def broker(stopped: Broker) -> Broker:
    stopped.start()
    return stopped


class Listener:
    """Somebody who hears everything that a broker is told."""

    def __init__(self, port: int, *, name: str = "", **account: str) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        api = paho.CallbackAPIVersion.VERSION2
        self._client = paho.Client(api, name, clean_session=not name)
        if account:
            self._client.username_pw_set(**account)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("#", qos=1)
        assert ready.wait(10)

    def _hear(self, client: Any, data: Any, message: Any) -> None:
        self.heard.append((message.topic, message.payload.decode(), message.retain))

    def of(self, topic: str) -> list[Any]:
        """Return what was said of a topic, as JSON values where it is JSON."""
        payloads = [payload for t, payload, _ in list(self.heard) if t == topic]
        return [json.loads(p) if p.startswith("{") else p for p in payloads]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


pytestmark = [pytest.mark.mqtt]


def test_results_events_state_and_presence_are_published_as_json(broker: Broker) -> None:
    with Listener(broker.port) as ear:
        sink = open_sink(f"mqtt://127.0.0.1:{broker.port}/home/door")
        sent = list(outputs(3))
        for output in sent:
            sink.write(output._replace(extra={"count": 7}))
        sink.event(Event("source_lost", "the camera was unplugged", 5.0, {"try": 1}))
        wait_until(lambda: ear.of("home/door/event"))
        assert ear.of("home/door/result") == [
            json.loads(json.dumps(record("test:pattern", o.frame.index, o.result, {"count": 7})))
            for o in sent
        ]
        assert ear.of("home/door/event") == [
            {"event": "source_lost", "message": "the camera was unplugged", "time": 5.0, "try": 1}
        ]
        (state,) = ear.of("home/door/state")
        assert state | {"age_ms": 0, "fps": 0} == {
            "counts": {"cat": 1, "dog": 1},
            "total": 2,
            "age_ms": 0,
            "fps": 0,
            "device": "cpu",
            "runtime": "fake",
            "model": "toy",
        }
        assert ear.of("home/door/status") == ["online"]
        sink.close()
        wait_until(lambda: ear.of("home/door/status") == ["online", "offline"])


def test_a_result_is_the_line_that_jsonl_writes(broker: Broker, tmp_path: Path) -> None:
    lines = JsonLines(str(tmp_path / "r.jsonl"))
    with Listener(broker.port) as ear:
        sink = open_sink(f"mqtt://127.0.0.1:{broker.port}/t")
        Pipeline(Pattern(PatternOptions(64, 32, 0, 5, live=False)), Toy(), [sink, lines]).run()
        wait_until(lambda: len(ear.of("t/result")) == 5)
        written = (tmp_path / "r.jsonl").read_text().splitlines()
        assert ear.of("t/result") == [json.loads(line) for line in written]


def test_who_comes_later_hears_presence_and_state_and_the_last_result_if_asked_to(
    broker: Broker,
) -> None:
    for options, expected in (("", set()), ("?retain=1&qos=1", {"result"})):
        sink = open_sink(f"mqtt://127.0.0.1:{broker.port}/t{options}")
        for output in outputs(3):
            sink.write(output)
        sink.close()
        with Listener(broker.port) as ear:
            wait_until(lambda: ear.of("t/state"))
            kept = {topic.removeprefix("t/") for topic, _, retained in ear.heard if retained}
            assert kept == {"status", "state"} | expected
            assert ear.of("t/status") == ["offline"]
    assert ear.of("t/result")[0]["frame"] == 2


def test_a_run_that_dies_is_offline_by_the_brokers_own_word(broker: Broker) -> None:
    code = f"from edgecv.sinks import open_sink; open_sink({f'mqtt://127.0.0.1:{broker.port}/t'!r})"
    with Listener(broker.port) as ear:
        run = subprocess.Popen([sys.executable, "-c", f"{code}; input()"], stdin=subprocess.PIPE)
        wait_until(lambda: ear.of("t/status") == ["online"])
        run.kill()
        run.communicate()
        wait_until(lambda: ear.of("t/status") == ["online", "offline"])


def test_the_rate_can_be_limited(broker: Broker) -> None:
    with Listener(broker.port) as ear:
        sink = open_sink(f"mqtt://127.0.0.1:{broker.port}/t?max_hz=0.01")
        for output in outputs(50):
            sink.write(output)
        sink.event(Event("e", "the last", 0))
        wait_until(lambda: ear.of("t/event"))
        assert len(ear.of("t/result")) == 1
        sink.close()


# -- a broker that is away ---------------------------------------------------------------------


def test_a_broker_that_comes_later_is_told_the_newest_of_what_waited(stopped, caplog) -> None:
    sink = open_sink(f"mqtt://127.0.0.1:{stopped.port}/t")
    slowest = 0.0
    for output in outputs(300):
        start = time.monotonic()
        sink.write(output)
        slowest = max(slowest, time.monotonic() - start)
    sink.event(Event("e", "while it was away", 0))
    assert slowest < 0.1
    assert sink.dropped == 300 + 1 + 1 - WAITING  # 300 results, a state and an event
    assert caplog.text.count("cannot be reached (") == 1
    assert "Connection refused" in caplog.text
    stopped.start()
    with Listener(stopped.port) as ear:
        wait_until(lambda: "online" in ear.of("t/status"))
        last = next(iter(outputs()))
        sink.write(last)
        wait_until(lambda: ear.of("t/result"))
        sink.close()
        wait_until(lambda: ear.of("t/status")[-1] == "offline")


def test_what_waited_arrives_in_order_and_none_of_it_is_lost(stopped: Broker) -> None:
    # the broker keeps what somebody misses whom it knows by name
    stopped.lines += ["persistence true", f"persistence_location {stopped.folder}/"]
    stopped.start()
    with Listener(stopped.port, name="ear"):
        pass
    stopped.stop()
    sink = open_sink(f"mqtt://127.0.0.1:{stopped.port}/t?qos=1&max_hz=0")
    for output in outputs(200):
        sink.write(output)
    stopped.start()
    with Listener(stopped.port, name="ear") as ear:
        wait_until(lambda: len(ear.of("t/result")) == 200)
        assert [result["frame"] for result in ear.of("t/result")] == list(range(200))
        sink.close()


def test_a_broker_that_was_killed_is_found_again_and_the_run_never_waits(broker, caplog) -> None:
    sink = open_sink(f"mqtt://127.0.0.1:{broker.port}/t")
    pipeline = Pipeline(Pattern(PatternOptions(64, 32, 50)), Toy(), [sink])
    pipeline.start()
    with Listener(broker.port) as ear:
        wait_until(lambda: len(ear.of("t/result")) > 5)
    broker.kill()
    results, start = pipeline.stats.results, time.monotonic()
    wait_until(lambda: pipeline.stats.results > results + 50)
    assert time.monotonic() - start < 3
    pipeline.emit("zone_enter", "somebody came while the broker was away")
    wait_until(lambda: "is lost; it is tried again" in caplog.text)
    broker.start()
    with Listener(broker.port) as ear:
        wait_until(lambda: "online" in ear.of("t/status"))
        number = pipeline.stats.results
        wait_until(lambda: ear.of("t/result") and ear.of("t/result")[-1]["frame"] > number)
        pipeline.close()
        wait_until(lambda: ear.of("t/status")[-1] == "offline")
    assert pipeline.stats.errors == 0


class Deaf:
    """A broker that accepts the connection, and from then on reads nothing."""

    def __init__(self, *, greets: bool) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = self._server.getsockname()[1]
        self._greets = greets
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            if self._greets:
                connection.recv(1024)
                connection.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        for connection in self._connections:
            connection.close()


@pytest.mark.parametrize("greets", [True, False], ids=["reads nothing", "says nothing"])
def test_a_deaf_broker_holds_up_nothing_and_fills_no_memory(greets: bool) -> None:
    deaf = Deaf(greets=greets)
    sink = open_sink(f"mqtt://127.0.0.1:{deaf.port}/t?qos={int(greets)}")
    assert isinstance(sink, Mqtt)
    (output,) = outputs()
    large = output._replace(extra={"text": "x" * 10_000})
    slowest = 0.0
    for _ in range(2000):
        start = time.monotonic()
        sink.write(large)
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < 0.2
    assert sink.dropped > 2000 - WAITING - ON_THE_WAY
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 2
    deaf.close()


# -- who may publish ---------------------------------------------------------------------------


def test_a_wrong_password_is_told_at_the_start_and_is_in_no_message(stopped, caplog) -> None:
    stopped.set_password("me", PASSWORD)
    stopped.start()
    with caplog.at_level(logging.DEBUG):
        for account in ("me:wr0ng-secret@", "nobody:wr0ng-secret@", ""):
            with pytest.raises(
                OutputError, match="refused the connection: Not authorized"
            ) as error:
                open_sink(f"mqtt://{account}127.0.0.1:{stopped.port}/t")
            assert "wr0ng-secret" not in str(error.value)
        sink = open_sink(f"mqtt://me:{QUOTED}@127.0.0.1:{stopped.port}/t")
        with Listener(stopped.port, username="me", password=PASSWORD) as ear:
            sink.write(next(outputs()))
            wait_until(lambda: ear.of("t/result"))
        sink.close()
    assert "secret" not in caplog.text
    assert PASSWORD not in caplog.text
    assert PASSWORD not in repr(vars(sink))


def test_the_password_may_be_in_the_environment(stopped: Broker, monkeypatch) -> None:
    stopped.set_password("me", PASSWORD)
    stopped.start()
    monkeypatch.setenv("EDGECV_MQTT_PASSWORD", PASSWORD)
    open_sink(f"mqtt://me@127.0.0.1:{stopped.port}/t").close()


def test_a_password_that_is_changed_during_a_run_ends_the_sink_and_not_the_run(stopped) -> None:
    stopped.set_password("me", PASSWORD)
    stopped.start()
    sink = open_sink(f"mqtt://me:{QUOTED}@127.0.0.1:{stopped.port}/t")

    class Keep:
        buffer = 64

        def __init__(self) -> None:
            self.events: list[Event] = []

        def write(self, output: object) -> None:
            pass

        def event(self, event: Event) -> None:
            self.events.append(event)

        def close(self) -> None:
            pass

    pipeline = Pipeline(Pattern(PatternOptions(64, 32, 50)), Toy(), [sink, keep := Keep()])
    pipeline.start()
    stopped.kill()
    stopped.set_password("me", "another")
    stopped.start()
    wait_until(lambda: keep.events)
    assert [event.kind for event in keep.events] == ["sink_failed"]
    assert "refused the connection: Not authorized" in keep.events[0].message
    results = pipeline.stats.results
    wait_until(lambda: pipeline.stats.results > results + 10)
    pipeline.close()


# paho leaves the socket of a handshake that failed to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_connection_can_be_encrypted_and_an_untrusted_broker_is_refused(stopped, caplog) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the Debian package openssl")
    key, certificate = stopped.folder / "key.pem", stopped.folder / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
         certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    stopped.lines += [f"certfile {certificate}", f"keyfile {key}"]
    stopped.start()
    place = f"mqtt://127.0.0.1:{stopped.port}/t"
    sink = open_sink(f"{place}?tls=1&ca={certificate}")
    assert isinstance(sink, Mqtt)
    sink.write(next(outputs()))
    sink.close()
    assert (sink.dropped, caplog.text) == (0, "")
    with pytest.raises(
        OutputError, match=r"is not trusted .*give the one it is signed by with ca="
    ):
        open_sink(f"{place}?tls=1")
    with pytest.raises(OutputError, match="cannot read the certificate /no/file"):
        open_sink(f"{place}?tls=1&ca=/no/file")
    open_sink(place).close()
    assert "hung up; does it want tls=1" in caplog.text


# -- home automation ---------------------------------------------------------------------------


def test_home_assistant_is_told_of_sensors_that_exist(broker: Broker) -> None:
    with Listener(broker.port) as ear:
        sink = open_sink(f"mqtt://127.0.0.1:{broker.port}/home/door?discovery=homeassistant")
        wait_until(lambda: ear.of("home/door/status"))
        (output,) = outputs()
        sink.write(output._replace(result=output.result[:1]))  # type: ignore[index]
        wait_until(lambda: ear.of("home/door/state"))
        configs = {t: json.loads(p) for t, p, _ in ear.heard if t.startswith("homeassistant/")}
        assert {topic.split("/")[-2] for topic in configs} == {
            *("total", "fps", "age", "connection", "count_cat"),
        }
        (state,) = ear.of("home/door/state")
        for topic, config in configs.items():
            assert re.fullmatch(r"homeassistant/(binary_)?sensor/[\w-]+/[\w-]+/config", topic)
            said = {t for t, _, _ in ear.heard}
            assert config["state_topic"] in said
            assert config.get("availability_topic", "home/door/status") in said
            assert config["device"]["identifiers"] == ["edgecv_home_door"]
            for field in re.findall(r"value_json\.(\w+)", json.dumps(config)):
                assert field in state
        assert len({config["unique_id"] for config in configs.values()}) == 5
        time.sleep(1.1)  # the next state
        sink.write(output)
        wait_until(lambda: any("count_dog" in topic for topic, _, _ in ear.heard))
        sink.close()
    with Listener(broker.port) as later:  # Home Assistant, started after this
        wait_until(lambda: sum("homeassistant/" in t for t, _, _ in later.heard) == 6)
        assert all(kept for _, _, kept in later.heard)


def test_names_that_are_odd_make_no_odd_topics_or_templates() -> None:
    names = ["Zoë", "Zoé", "a b", "a_b", "x'}}{{ 1 }}", "c/d#+", '"q"\\']
    messages = discovery("homeassistant", "home/door", names)
    assert len(messages) == 4 + len(names)
    for topic, config in messages.items():
        assert re.fullmatch(r"homeassistant/(binary_)?sensor/[\w-]+/[A-Za-z0-9_-]+/config", topic)
        if "count_" in topic:
            template = config["value_template"]
            (text,) = re.findall(r"\{\{ value_json\.counts\.get\('([^'{}%]*)', 0\) \}\}", template)
            assert (
                text.encode("ascii", "backslashreplace").decode("unicode-escape") == config["name"]
            )


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        ("mqtt://host/a/+/b", OutputError, "a topic has no"),
        ("mqtt://host/%23", OutputError, "a topic has no"),
        ("mqtt://host/$SYS", OutputError, "a topic has no"),
        ("mqtt:host/t", OutputError, "two slashes are missing"),
        ("mqtt://host:0x/t", OutputError, "a port is a number"),
        ("mqtt://host/t?qos=2", OutputError, "qos wants 0 or 1"),
        ("mqtt://host/t?retain=maybe", OutputError, "retain wants 1 or 0"),
        ("mqtt://host/t?rate=5", UnknownNameError, "no option 'rate'"),
    ],
)
def test_a_uri_that_makes_no_sense_is_refused(uri, kind, message) -> None:
    with pytest.raises(kind, match=message):
        open_sink(uri)
