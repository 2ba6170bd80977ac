"""Results, events and the state of a run to an MQTT broker, as JSON."""

from __future__ import annotations

import json
import logging
import os
import secrets
import ssl
import sys
from collections import deque
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgecv.errors import OutputError
from edgecv.sinks import Event, Output
from edgecv.sinks.homeassistant import discovery
from edgecv.sinks.jsonl import record
from edgecv.sinks.rate import Rate
from edgecv.sinks.speed import Speed
from edgecv.sinks.summary import counts
from edgecv.sinks.uri import Address, read_address, read_sink_options

log = logging.getLogger(__name__)

EXAMPLE = "mqtt://user:password@host:1883/camera?max_hz=5"
PASSWORD = "EDGECV_MQTT_PASSWORD"
"""The variable that may hold the password, which a command line would show to everybody."""
PORT, TLS_PORT = 1883, 8883
WAITING = 256
"""The most messages that wait for a broker that is away; the oldest make room."""
ON_THE_WAY = 64
"""The most messages that a broker which is there has not yet taken."""
STATE_HZ = 1.0
KEEP_ALIVE = 15
RETRY_SECONDS = (1, 30)
"""A broker that is away is tried again after the first, doubling up to the second."""
FIRST_SECONDS, LAST_SECONDS = 2.0, 0.4
"""How long the start waits for the broker's answer, and the end for the last messages to go out."""
FOR_GOOD = frozenset(
    {"Bad user name or password", "Not authorized", "Unsupported protocol version"}
)


@dataclass(frozen=True)
class MqttOptions:
    """Options of ``mqtt://``.

    Attributes:
        qos: 0: results may be lost on the way; 1: they arrive once or again.
        retain: Whether the broker keeps the last result for who comes later.
        max_hz: The most results a second; 0 for all.
        discovery: Where Home Assistant listens, "homeassistant" as a rule; empty for none.
        tls: Whether the connection is encrypted.
        ca: A file with the certificate that the broker's own is signed by; empty for the system's.
    """

    qos: int = 0
    retain: bool = False
    max_hz: float = 0.0
    discovery: str = ""
    tls: bool = False
    ca: str = ""


class _Message(NamedTuple):
    topic: str
    payload: str
    qos: int
    retain: bool


class Mqtt:
    """A sink that publishes under one topic, and never lets a run wait for the broker.

    topic/result has one JSON object for each result, as `jsonl:` writes them; topic/event the
    events; topic/state, at most once a second, counts by name, speed, age and device; topic/status
    "online" or "offline", retained, which the broker also says when the connection breaks.

    Args:
        address: The broker and the topic.
        options: How results are published.

    Attributes:
        dropped: How many messages were given up because the broker was away or too slow.

    Raises:
        OutputError: The broker refused the user or the topic makes no sense. A broker that is away
            is no error: it is looked for until it is there.
    """

    buffer = 64

    def __init__(self, address: Address, options: MqttOptions | None = None) -> None:
        self._options = options or MqttOptions()
        self._address = address
        self._topic = _checked_topic(address.path or "edgecv")
        self._results, self._states = Rate(self._options.max_hz), Rate(STATE_HZ)
        self._names: list[str] = []
        self.dropped = 0
        self._waiting: deque[_Message] = deque()
        self._sent: deque[MQTTMessageInfo] = deque()
        self._changed = Condition()
        self._connected = self._answered = self._told = False
        self._refused = ""
        self._speed = Speed()
        self._client = self._new_client()
        host, port = self._place
        self._client.connect_async(host, port, keepalive=KEEP_ALIVE)
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._answered, FIRST_SECONDS)
        self._check()

    def write(self, output: Output) -> None:
        """Publish one result, unless it comes too soon after the last.

        Raises:
            OutputError: The broker refused the user.
        """
        self._check()
        now = monotonic()
        self._speed.add(now, output.stats.results)
        found = counts(output.result)
        if self._results.allows(now):
            frame = output.frame
            values = record(frame.source, frame.index, output.result, output.extra)
            self._put("result", values, retain=self._options.retain)
        if self._states.allows(now):
            self._discover(found)
            self._put("state", _state(output, found, self._speed.fps), retain=True)

    def event(self, event: Event) -> None:
        """Publish an event."""
        self._put("event", event.to_dict(), retain=False)

    def close(self) -> None:
        """Say that this is offline, and leave when that has gone out."""
        with self._changed:
            here = self._connected
        if here:
            last = self._client.publish(f"{self._topic}/status", "offline", qos=1, retain=True)
            self._wait_for(last)
        elif self._waiting:
            log.warning("%d messages never reached the broker", len(self._waiting))
        self._client.disconnect()
        # it joins a thread that may just be connecting, which takes its time
        stopping = Thread(target=self._client.loop_stop, name="edgecv-mqtt-end", daemon=True)
        stopping.start()
        stopping.join(LAST_SECONDS)

    # -- on the way out ------------------------------------------------------------------------

    def _put(self, name: str, values: dict[str, Any], *, retain: bool) -> None:
        payload = json.dumps(values)
        self._send(_Message(f"{self._topic}/{name}", payload, self._options.qos, retain))

    def _send(self, message: _Message) -> None:
        """Publish a message, or let it wait for the broker."""
        with self._changed:
            if not self._connected:
                self._waiting.append(message)
                if len(self._waiting) > WAITING:
                    self._waiting.popleft()
                    self.dropped += 1
                return
            while self._sent and _is_out(self._sent[0]):
                self._sent.popleft()
            if len(self._sent) >= ON_THE_WAY:
                self.dropped += 1
                return
            self._publish(message)

    def _publish(self, message: _Message) -> None:
        topic, payload, qos, retain = message
        self._sent.append(self._client.publish(topic, payload, qos=qos, retain=retain))

    def _discover(self, found: dict[str, int]) -> None:
        """Tell Home Assistant of what is counted for the first time."""
        new = [name for name in found if name not in self._names]
        if new and self._options.discovery:
            self._names += new
            with self._changed:
                if self._connected:
                    self._announce()

    def _announce(self) -> None:
        prefix = self._options.discovery
        if prefix:
            for topic, config in discovery(prefix, self._topic, self._names).items():
                self._client.publish(topic, json.dumps(config), qos=1, retain=True)

    def _wait_for(self, message: MQTTMessageInfo) -> None:
        try:
            message.wait_for_publish(LAST_SECONDS)
        except (RuntimeError, ValueError):  # the connection broke just now
            log.debug("the broker did not take the last message")

    def _check(self) -> None:
        if self._refused:
            raise OutputError(self._refused)

    # -- the client's thread -------------------------------------------------------------------

    @property
    def _place(self) -> tuple[str, int]:
        port = TLS_PORT if self._options.tls else PORT
        return self._address.host or "127.0.0.1", self._address.port or port

    def _new_client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, f"edgecv-{secrets.token_hex(6)}")
        user = self._address.user
        if user:
            password = self._address.password or os.environ.get(PASSWORD)
            client.username_pw_set(user, password)
        if self._options.tls:
            _encrypt(client, self._options.ca)
        client.will_set(f"{self._topic}/status", "offline", qos=1, retain=True)
        client.max_queued_messages_set(2 * WAITING)
        client.reconnect_delay_set(*RETRY_SECONDS)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(
        self,
        client: Client,
        data: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._on_refused(str(reason))
            return
        with self._changed:
            log.info("connected to the broker %s:%d", *self._place)
            client.publish(f"{self._topic}/status", "online", qos=1, retain=True)
            self._announce()
            self._sent.clear()
            while self._waiting:
                self._publish(self._waiting.popleft())
            self._connected, self._told = True, False
        self._answer()

    def _on_refused(self, reason: str) -> None:
        host, port = self._place
        text = f"the broker {host}:{port} refused the connection: {reason}"
        if reason not in FOR_GOOD:
            self._tell(text)
            self._answer()
            return
        self._client.disconnect()
        self._answer(refused=f"{text}; see the user and the password in mqtt://user:password@host")

    def _on_connect_fail(self, client: Client, data: object) -> None:
        error = sys.exc_info()[1]  # paho calls this while it handles the error
        host, port = self._place
        if isinstance(error, ssl.SSLCertVerificationError):
            self._client.disconnect()
            self._answer(
                refused=f"the certificate of the broker {host}:{port} is not trusted "
                f"({error.verify_message}): give the one it is signed by with ca=FILE"
            )
            return
        self._tell(f"the broker {host}:{port} cannot be reached ({error}); it is tried again")
        self._answer()

    def _on_disconnect(
        self,
        client: Client,
        data: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        with self._changed:
            was, self._connected = self._connected, False
        if reason.is_failure and not self._refused:
            happened = "is lost" if was else "hung up; does it want tls=1, or none?"
            self._tell("the broker {}:{} {}; it is tried again".format(*self._place, happened))

    def _answer(self, *, refused: str = "") -> None:
        with self._changed:
            self._answered = True
            self._refused = refused
            self._changed.notify_all()

    def _tell(self, text: str) -> None:
        """Warn once, not with every attempt."""
        if not self._told:
            log.warning("%s", text)
        self._told = True


def _is_out(message: MQTTMessageInfo) -> bool:
    """Say whether a message has left, or never will."""
    return message.rc != 0 or message.is_published()


def _state(output: Output, found: dict[str, int], fps: float) -> dict[str, Any]:
    run = output.result.run
    return {
        "counts": found,
        "total": sum(found.values()),
        "fps": round(fps, 1),
        "age_ms": round((monotonic() - output.frame.time) * 1e3, 1),
        "device": run.device if run else "",
        "runtime": run.runtime if run else "",
        "model": run.model if run else "",
    }


def _checked_topic(topic: str) -> str:
    if any(c in topic for c in "+#\0") or topic.startswith("$"):
        raise OutputError(f"a topic has no +, # or leading $, got {topic!r}, as in {EXAMPLE}")
    return topic


def _encrypt(client: Client, ca: str) -> None:
    try:
        client.tls_set(ca_certs=ca or None)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot read the certificate {ca}: {error}") from error


def open_mqtt(uri: str) -> Mqtt:
    """Open ``mqtt://user:password@host:port/topic``, with the options of `MqttOptions` behind "?".

    What is left out is no user, 127.0.0.1, 1883 (8883 with tls=1) and "edgecv". Where there is a
    user and no password, the variable EDGECV_MQTT_PASSWORD holds it.

    Raises:
        OutputError: The broker refused the user, or the URI makes no sense.
        UnknownNameError: There is no such option.
    """
    address = read_address(uri, EXAMPLE)
    options = read_sink_options(address.query, MqttOptions)
    if options.qos not in (0, 1):
        raise OutputError(f"the option qos wants 0 or 1, got {options.qos}")
    return Mqtt(address, options)
