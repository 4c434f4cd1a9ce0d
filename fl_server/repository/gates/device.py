"""Gates on the declared device class: size and latency."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fl_common.components.description import Component
from fl_server.repository.gates import GateFinding

_SHARE = 95


@dataclass(frozen=True)
class DeviceClass:
    """The limits of a device class.

    ``bytes`` bounds a component's content, ``latency_ms`` the 95th percentile of the time for one
    window, measured on a machine of ``architecture`` (as ``platform.machine`` names it).
    """

    name: str
    architecture: str
    bytes: int
    latency_ms: float


def size(component: Component, device: DeviceClass) -> GateFinding:
    """The content fits the device."""
    return GateFinding(
        component.size <= device.bytes,
        f"{component.size} bytes; {device.name} takes {device.bytes}",
        {"bytes": component.size, "limit": device.bytes, "device": device.name},
    )


def latency(measured: Callable[[], Sequence[float]], device: DeviceClass) -> GateFinding:
    """It is fast enough on this machine, which must be of the device's class.

    ``measured`` gives the seconds of many calls, each for one window.
    """
    here = platform.machine()
    if here != device.architecture:
        return GateFinding(
            False,
            f"this machine is {here}, {device.name} is {device.architecture}: check on such a one",
            {"device": device.name, "machine": here},
        )
    found = float(np.percentile(measured(), _SHARE)) * 1000
    return GateFinding(
        found <= device.latency_ms,
        f"{found:.3g} ms for one window (95th percentile); {device.name}: {device.latency_ms:g} ms",
        {"latency_ms": found, "limit": device.latency_ms, "device": device.name, "machine": here},
    )
