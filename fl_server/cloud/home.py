"""The server's folder: what lies where."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.files import write_whole
from fl_server.cloud.certificates import Pair

LOOPBACK = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class CloudHome:
    """Everything that a server keeps is below ``folder``."""

    folder: Path

    @property
    def authority(self) -> Pair:
        """The authority that signed the certificates made here."""
        return self._pair("authority")

    @property
    def public(self) -> Pair:
        """The certificate that sites see, where it is made here."""
        return self._pair("server")

    @property
    def inner(self) -> Pair:
        """The SuperLink's own, for the loopback interface."""
        return self._pair("superlink")

    @property
    def secret(self) -> Path:
        """Who has it may take up a run's task."""
        return self.folder / "keys" / "executor.secret"

    @property
    def sites(self) -> Path:
        """A file for each enrolled site."""
        return self.folder / "sites"

    @property
    def database(self) -> Path:
        """The SuperLink's."""
        return self.folder / "superlink.sqlite"

    @property
    def components(self) -> Path:
        """The component repository, as it is served."""
        return self.folder / "components"

    @property
    def logs(self) -> Path:
        """A file for each child."""
        return self.folder / "logs"

    @property
    def work(self) -> Path:
        """What may be lost."""
        return self.folder / "work"

    @property
    def runs(self) -> Path:
        """A folder for each run: its checkpoints, rows and model."""
        return self.folder / "runs"

    @property
    def metrics(self) -> Path:
        """The rounds' figures, for Prometheus' textfile collector."""
        return self.folder / "metrics" / "fl_server.prom"

    @property
    def status(self) -> Path:
        """What the running server says of itself."""
        return self.folder / "server.json"

    def write_status(self, values: dict[str, Any]) -> None:
        """Replace what the server says of itself."""
        write_whole(self.status, json.dumps(values, indent=1).encode())

    def read_status(self) -> dict[str, Any]:
        """What the server said last.

        Raises:
            InvalidConfiguration: no server was ever started here.
        """
        try:
            values: dict[str, Any] = json.loads(self.status.read_text())
        except (OSError, ValueError) as error:
            raise InvalidConfiguration(
                f"home={self.folder}",
                f"is not the folder of a server that was started ({error})",
                "Start it with: fl-server start, or give its home=FOLDER",
            ) from error
        return values

    def _pair(self, name: str) -> Pair:
        return Pair(
            self.folder / "certificates" / f"{name}.crt", self.folder / "keys" / f"{name}.key"
        )
