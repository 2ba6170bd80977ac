"""Going on when an accelerator is lost: the next device at once, the first when it is back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, Protocol, TypeVar

from edgecv.errors import DeviceError, EdgeCVError

log = logging.getLogger(__name__)

PROBE_SECONDS = 2.0
"""How often a lost device is tried again."""


class Closable(Protocol):
    """Something opened on a device."""

    def close(self) -> None:
        """Give the device back."""


M = TypeVar("M", bound=Closable)


class Failover(Generic[M]):
    """The same model on the first of several devices that works.

    Args:
        open_on: Opens the model on a device, by name; raises `EdgeCVError` where it cannot.
        devices: Names of devices, the best first.
        check: Runs the model once, to prove a device that has come back; None to trust it.
        report: Called with a kind ("device_lost", "device_back") and a line for people.

    Raises:
        EdgeCVError: None of the devices works.
        ValueError: There are no devices.
    """

    def __init__(
        self,
        open_on: Callable[[str], M],
        devices: Sequence[str],
        *,
        check: Callable[[M], object] | None = None,
        report: Callable[[str, str], None] | None = None,
    ) -> None:
        if not devices:
            raise ValueError("wanted at least one device")
        self._open_on, self._check = open_on, check
        self._devices = tuple(devices)
        self._report = report or (lambda kind, message: log.warning("%s: %s", kind, message))
        self._lock = Lock()
        self._next_probe = 0.0
        self._place, self.current = self._first_working(0)

    @property
    def device(self) -> str:
        """The device that is in use."""
        return self._devices[self._place]

    @property
    def has_next(self) -> bool:
        """Whether there is a device to go to."""
        return self._place + 1 < len(self._devices)

    def lose(self, broken: M, why: str) -> M:
        """Give up the device in use and return the model on the next one.

        Args:
            broken: The model that failed; where it is no longer the one in use, nothing happens.
            why: What went wrong, for people.

        Raises:
            DeviceError: There is no next device, or none of them works.
        """
        with self._lock:
            if broken is not self.current:
                return self.current
            lost = self.device
            if not self.has_next:
                raise DeviceError(f"{lost} is lost ({why}), and there is no other device to go to")
            self._place, self.current = self._first_working(self._place + 1)
            self._next_probe = time.monotonic() + PROBE_SECONDS
            self._report("device_lost", f"{lost} is lost ({why}); going on with {self.device}")
            return self.current

    def probe(self) -> None:
        """Go back to a better device if one works again; quick when it is not yet time to look."""
        if not self._place or time.monotonic() < self._next_probe:
            return
        for place in range(self._place):
            try:
                model = self._open_on(self._devices[place])
                if self._check is not None:
                    self._check(model)
            except EdgeCVError as error:
                log.debug("%s is still lost: %s", self._devices[place], error)
                continue
            with self._lock:
                worse, self.current, self._place = self.current, model, place
            self._report("device_back", f"{self.device} is back")
            worse.close()
            return
        self._next_probe = time.monotonic() + PROBE_SECONDS

    def close(self) -> None:
        """Give the device in use back."""
        self.current.close()

    def _first_working(self, start: int) -> tuple[int, M]:
        reasons: list[str] = []
        for place in range(start, len(self._devices)):
            try:
                return place, self._open_on(self._devices[place])
            except EdgeCVError as error:
                if place + 1 == len(self._devices) and not reasons:
                    raise
                reasons.append(f"{self._devices[place]}: {error}")
                log.warning("%s", reasons[-1])
        raise DeviceError("no device works: " + "; ".join(reasons))
