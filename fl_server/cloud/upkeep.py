"""What a running server looks after: that what boxes need is there, answers, and does not run out.

What it can't mend is a trouble: in the log, in ``fl-server status`` and in the metrics.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from fl_common.configuration.rules import Config
from fl_common.errors import JoinTheDotsError
from fl_common.files.whole import write_whole
from fl_common.programs.troubles import Troubles
from fl_server.cloud.build import hosts_of, listen_of
from fl_server.cloud.children import Child
from fl_server.cloud.desk import Desk
from fl_server.cloud.enrolment import Enrolment
from fl_server.cloud.home import CloudHome
from fl_server.cloud.reach import FIRST_ROOT, why_unreachable
from fl_server.cloud.renewal import CertificateRenewal, Expiries, RepositoryRenewal

_logger = logging.getLogger(__name__)


@dataclass
class ConfigurationFile:
    """The server's configuration; its hosts are read again when its file has changed.

    All else stays what the server was started with. Where ``path`` is None there is no file.
    """

    path: Path | None
    read: Callable[[], Config]
    current: Config
    _seen: int | None = None

    def __post_init__(self) -> None:
        self._seen = self._changed_at()

    def again(self) -> Config:
        """The configuration with the newest hosts that can be used; what can't is logged once."""
        if (changed := self._changed_at()) != self._seen:
            self._seen = changed
            try:
                hosts = hosts_of(self.read())
            except JoinTheDotsError as error:
                _logger.error("the configuration can't be read again, and stays: %s", error)
            else:
                self.current = {**self.current, "hosts": hosts}
                _logger.info(
                    "%s has changed: its hosts are taken at once, all else at the next start",
                    self.path,
                )
        return self.current

    def _changed_at(self) -> int | None:
        try:
            return None if self.path is None else self.path.stat().st_mtime_ns
        except OSError:
            return None


@dataclass
class Upkeep:
    """Everything that is looked at again and again while the server runs."""

    home: CloudHome
    configuration: ConfigurationFile
    certificate: CertificateRenewal
    repository: RepositoryRenewal
    enrolment: Enrolment
    desk: Desk
    children: Sequence[Child]
    troubles: Troubles

    def look(self) -> None:
        """Renew what runs out soon, finish what was cut off, and note what fails."""
        config = self.configuration.again()
        ends = self.certificate.check(hosts_of(config), config["certificate_days"])
        ends |= self.repository.check()
        self._reach(config)
        self._finish()
        self._write(ends)

    def watch(self, run: str | None) -> None:
        """Note which children fail, and whether the run named ``run`` has come further."""
        for child in self.children:
            failure = child.failure
            if failure is None or (child.once and _is_newer(self.home, run, failure.at_s)):
                self.troubles.end(child.name)
            else:
                self.troubles.begin(
                    child.name,
                    f"ended with status {failure.status}: {failure.line or 'it said nothing'}",
                    f"It is started again and again; its log is {child.log}",
                )

    def _reach(self, config: Config) -> None:
        certificate = self.certificate.public.certificate
        if (why := why_unreachable(listen_of(config), certificate, FIRST_ROOT)) is None:
            self.troubles.end("endpoint")
        else:
            self.troubles.begin("endpoint", why, f"See {self.home.logs}/proxy.log")

    def _finish(self) -> None:
        """Shut out whom a command could not, because the SuperLink did not answer."""
        try:
            if any(site.pending for site in self.enrolment.sites.all().values()):
                self.enrolment.reconcile()
            self._tell(self.enrolment.sites.unreadable(), self.enrolment.strange())
        except JoinTheDotsError as error:
            self.troubles.begin("sites", str(error), f"See {self.home.logs}/superlink.log")

    def _tell(self, unreadable: Sequence[str], strange: Sequence[str]) -> None:
        again = "fl-server revoke SITE, then fl-server enroll SITE with the box's key"
        if unreadable:
            cause = f"records in {self.home.sites} can't be read, so their sites are shut out"
            self.troubles.begin("sites", f"{cause}: {', '.join(unreadable)}", again)
        elif strange:
            cause = f"the SuperLink does not know {', '.join(strange)}: its database was replaced"
            self.troubles.begin("sites", cause, again)
        else:
            self.troubles.end("sites")

    def _write(self, ends: Expiries) -> None:
        registry = CollectorRegistry()
        expiry = Gauge(
            "fl_server_expiry_timestamp_seconds",
            "When it ends: the certificates, and signatures in the repository by role",
            ("what",),
            registry=registry,
        )
        for what, seconds in ends.items():
            expiry.labels(what).set(seconds)
        at_desk = Counter(
            "fl_server_desk_refusals",
            "Requests that were refused where boxes enroll themselves",
            ("what",),
            registry=registry,
        )
        for what, count in self.desk.refused.items():
            at_desk.labels(what).inc(count)
        failing = Gauge(
            "fl_server_trouble", "1 for each part that fails", ("part",), registry=registry
        )
        for trouble in self.troubles.current():
            failing.labels(trouble.part).set(1)
        try:
            write_whole(self.home.health, generate_latest(registry))
        except OSError as error:
            self.troubles.begin("metrics", f"{self.home.health}: {error.strerror}", "Free space")
        else:
            self.troubles.end("metrics")


def newest_round(home: CloudHome, run: str | None) -> dict[str, object] | None:
    """The record of the newest round of ``run``; None if there is none that can be read."""
    try:
        row: dict[str, object] = json.loads(_record(home, run).read_text())
    except (OSError, ValueError):
        return None
    return row


def _record(home: CloudHome, run: str | None) -> Path:
    return home.runs / str(run) / "round.json"


def _is_newer(home: CloudHome, run: str | None, than_s: float) -> bool:
    try:
        return _record(home, run).stat().st_mtime > than_s
    except OSError:
        return False
