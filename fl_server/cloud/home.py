"""The layout of the server's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import is_held, write_whole
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
        """The certificate that sites see, if it is made here."""
        return self._pair("server")

    @property
    def inner(self) -> Pair:
        """The SuperLink's own, for the loopback interface."""
        return self._pair("superlink")

    @property
    def secret(self) -> Path:
        """Its holder may claim a run's task."""
        return self.folder / "keys" / "executor.secret"

    @property
    def sites(self) -> Path:
        """A file for each enrolled site."""
        return self.folder / "sites"

    @property
    def tokens(self) -> Path:
        """A file for each token by which boxes enroll themselves."""
        return self.folder / "tokens"

    @property
    def pinned(self) -> Path:
        """The authority of an operator's own certificate, as boxes get it from the desk."""
        return self.folder / "certificates" / "pinned.crt"

    @property
    def reports(self) -> Path:
        """What sites told of themselves."""
        return self.folder / "reports.json"

    @property
    def ledger_heads(self) -> Path:
        """The head of each site's privacy ledger, as last heard."""
        return self.folder / "ledgers.json"

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
        """Temporary files."""
        return self.folder / "work"

    @property
    def front(self) -> Path:
        """The folder in which the proxy runs."""
        return self.work / "proxy"

    @property
    def runs(self) -> Path:
        """A folder for each run: its checkpoints, rows and model."""
        return self.folder / "runs"

    @property
    def questions(self) -> Path:
        """What a run's process is to ask the sites."""
        return self.work / "questions"

    @property
    def metrics(self) -> Path:
        """The rounds' figures, for Prometheus' textfile collector."""
        return self.folder / "metrics" / "fl_server.prom"

    @property
    def health(self) -> Path:
        """What the server fails to do and what ends when, for Prometheus' textfile collector."""
        return self.folder / "metrics" / "fl_server_health.prom"

    @property
    def status(self) -> Path:
        """The status of the running server."""
        return self.folder / "server.json"

    def write_status(self, values: dict[str, Any]) -> None:
        """Replace the server's status."""
        write_whole(self.status, json.dumps(values, indent=1).encode())

    def read_status(self) -> dict[str, Any]:
        """The server's last status; ``running`` is false where it was killed.

        Raises:
            InvalidConfiguration: no server has ever been started here.
        """
        try:
            values: dict[str, Any] = json.loads(self.status.read_text())
        except (OSError, ValueError) as error:
            raise InvalidConfiguration(
                f"home={self.folder}",
                f"is not the folder of a server that was started ({error})",
                "Start it with: fl-server start, or give its --home FOLDER",
            ) from error
        return {**values, "running": values["running"] and is_held(self.lock)}

    @property
    def lock(self) -> Path:
        """Held by the running server."""
        return self.folder / "server.lock"

    def _pair(self, name: str) -> Pair:
        return Pair(
            self.folder / "certificates" / f"{name}.crt", self.folder / "keys" / f"{name}.key"
        )
