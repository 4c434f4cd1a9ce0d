"""What a service tells systemd: that it is ready, how it is, and that it still moves.

The protocol of sd_notify(3): one datagram of lines ``NAME=value`` to the socket that NOTIFY_SOCKET
names. Where no manager asks (``Type=notify``), nothing is sent.
"""

import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress

from fl_common.programs.text import visible


class ServiceManager:
    """The manager that ``environment`` names. Any thread may call any method."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        pid = environment.get("WATCHDOG_PID", str(os.getpid()))
        self.watches = "WATCHDOG_USEC" in environment and pid == str(os.getpid())
        """Whether it ends a service that does not call ``alive`` in time."""
        self._status, self._lock = "", threading.Lock()

    def ready(self) -> None:
        """Say that the service has started."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that it ends."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Say that it moves, if the manager wants to hear it."""
        if self.watches:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say how it is, in one line, if that is news."""
        with self._lock:
            if text == self._status:
                return
            self._status = text
        self._send(f"STATUS={visible(text)}")

    def _send(self, line: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(line.encode(), self._address)
