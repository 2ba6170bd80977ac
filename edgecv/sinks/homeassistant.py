"""What Home Assistant wants to be told of a device, so that its sensors appear by themselves.

The messages follow "MQTT Discovery" of Home Assistant's documentation of its MQTT integration.
"""

from __future__ import annotations

import re
from typing import Any
from zlib import crc32

from edgecv import __version__

EXPIRES = 60
"""Seconds without a state after which a sensor's value is no longer known."""


def discovery(prefix: str, topic: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the messages, by topic, that make sensors of what is published under `topic`.

    Args:
        prefix: Where Home Assistant listens, as a rule "homeassistant".
        topic: It has status ("online" or "offline") and state (JSON) below it.
        names: What has been counted so far; each gets a sensor of its own.
    """
    node = slug(f"edgecv_{topic}")
    device = {
        "identifiers": [node],
        "name": f"edgecv {topic}",
        "manufacturer": "edgecv",
        "sw_version": __version__,
    }
    status = f"{topic}/status"
    messages: dict[str, dict[str, Any]] = {}
    for key, config in _sensors(topic, names).items():
        config = {"availability_topic": status, "expire_after": EXPIRES, **config}
        messages[f"{prefix}/sensor/{node}/{key}/config"] = config
    messages[f"{prefix}/binary_sensor/{node}/connection/config"] = {
        "name": "Connection",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": status,
        "payload_on": "online",
        "payload_off": "offline",
    }
    for path, config in messages.items():
        config |= {"unique_id": f"{node}_{path.split('/')[-2]}", "device": device}
    return messages


def _sensors(topic: str, names: list[str]) -> dict[str, dict[str, Any]]:
    state = f"{topic}/state"
    count = {"state_topic": state, "state_class": "measurement"}
    figure = {**count, "entity_category": "diagnostic"}
    sensors: dict[str, dict[str, Any]] = {
        "total": {
            **count, "name": "Found", "icon": "mdi:eye",
            "value_template": "{{ value_json.total }}",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ value_json.counts | tojson }}",
        },
        "fps": {
            **figure, "name": "Speed", "unit_of_measurement": "fps", "icon": "mdi:speedometer",
            "value_template": "{{ value_json.fps }}",
            "json_attributes_topic": state,
            "json_attributes_template": (
                "{{ {'device': value_json.device, 'runtime': value_json.runtime, "
                "'model': value_json.model} | tojson }}"
            ),
        },
        "age": {
            **figure, "name": "Age of results", "unit_of_measurement": "ms",
            "device_class": "duration", "value_template": "{{ value_json.age_ms }}",
        },
    }  # fmt: skip
    for name in names:
        sensors[f"count_{_key(name)}"] = {
            **count,
            "name": name,
            "value_template": "{{ value_json.counts.get(" + _quoted(name) + ", 0) }}",
        }
    return sensors


def slug(text: str) -> str:
    """Return a text as topics and identifiers may hold it: letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text)


def _key(name: str) -> str:
    """Return a slug that no other name has."""
    key = slug(name)
    return key if key == name else f"{key}_{crc32(name.encode()):08x}"


def _quoted(name: str) -> str:
    """Return a name as a text in a template, which it cannot leave."""
    safe = "".join(f"\\u{ord(c):04x}" if c in "\\'\"{}%#\n" else c for c in name)
    return f"'{safe}'"
