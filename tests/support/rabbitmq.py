"""A real RabbitMQ with its MQTT plugin for tests: a process of its own, in a folder of its own.

Its Erlang node, its port mapper and all its ports are free ones, so it meets no other on the
machine. Before release 3.13 it speaks MQTT 3.1.1 alone.
"""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.support.ports import free_port, until_it_listens

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's; the one in /usr/sbin is for the service alone."""
_EPMD = ("/usr/bin/epmd", "-kill")
_PATIENCE = 180.0  # seconds


class RabbitMq:
    """A broker that keeps its sessions in ``folder``, over kills and restarts on the same port."""

    def __init__(self, folder: Path) -> None:
        if not _SERVER.is_file():
            pytest.skip("needs the Debian package rabbitmq-server")
        for part in ("mnesia", "log", "home"):
            (folder / part).mkdir(parents=True)
        self.port, amqp = free_port(), free_port()
        (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        (folder / "rabbit.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{amqp}\n"
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = true\n"
            "log.console = true\n"
            "log.file = false\n"
        )
        self._log = folder / "output.log"
        self._environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbit.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_NODENAME": f"test{amqp}@localhost",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [_SERVER], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until_it_listens(self._process, self.port, self._log, _PATIENCE)

    def kill(self) -> None:
        """Kill it with -9: it has what it wrote before."""
        if self._process is not None:
            server = psutil.Process(self._process.pid)
            running = [server, *server.children(recursive=True)]
            for one in running:
                with suppress(psutil.NoSuchProcess):  # one that was about to end
                    one.kill()
            psutil.wait_procs(running, _PATIENCE)
            self._process.wait(_PATIENCE)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        subprocess.run(_EPMD, env=self._environment, capture_output=True, check=False)
