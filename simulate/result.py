"""The results in a run's outputs folder, as values."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fl_client.ledger.ledger import Ledger
from fl_client.ledger.table import BlockState, states_of
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.evaluation import is_held_out
from simulate.home import Home
from simulate.report.results import RoundResult


@dataclass(frozen=True)
class SpentPrivacy:
    """What a run's ledger says was spent: a state for each block of data of each site.

    Empty where nothing was charged: a run without differential privacy, whose guarantee is none.
    """

    blocks: tuple[BlockState, ...]

    @property
    def epsilon(self) -> float | None:
        """The highest epsilon over all sites and their training blocks; None without a charge."""
        return max((b.spent for b in self.blocks if not is_held_out(b.block)), default=None)

    @property
    def epsilon_held_out(self) -> float | None:
        """The same for blocks of held-out windows, which evaluations release counts of."""
        return max((b.spent for b in self.blocks if is_held_out(b.block)), default=None)

    @property
    def by_site(self) -> dict[str, float]:
        """The epsilon of each site that was charged: that of its block that has spent most.

        Held-out blocks have another limit, and are left out.
        """
        spent: dict[str, float] = {}
        for block in (b for b in self.blocks if not is_held_out(b.block)):
            spent[block.site] = max(block.spent, spent.get(block.site, 0.0))
        return spent


@dataclass(frozen=True)
class Result:
    """A finished run.

    ``history`` has a record for each round, oldest first; ``summary`` the figures of the whole run,
    as ``summary.json`` has them.
    """

    folder: Path
    history: tuple[RoundResult, ...]
    summary: Mapping[str, Any]

    @property
    def model(self) -> Path:
        """The global model, as one ONNX file."""
        return Home(self.folder).model

    @property
    def report(self) -> Path:
        """The page with figures and plots, as one HTML file."""
        return Home(self.folder).report

    @cached_property
    def ledger(self) -> SpentPrivacy:
        """Privacy spent by each site; read from the folder when it is first asked for.

        Raises:
            LedgerError: the ledger can't be read or trusted.
        """
        with closing(Ledger(Home(self.folder).ledger, time.time, None)) as ledger:
            return SpentPrivacy(tuple(states_of(ledger, ledger.sites())))


def open_result(folder: Path | str) -> Result:
    """The result of the finished run in ``folder``, whoever began it.

    Raises:
        InvalidConfiguration: no finished run is there.
    """
    home = Home(Path(folder))
    try:
        summary: dict[str, Any] = json.loads(home.summary.read_text("utf-8"))
        lines = home.rounds.read_text("utf-8").splitlines()
        history = tuple(RoundResult.from_row(json.loads(line)) for line in lines)
    except (OSError, ValueError) as error:
        raise InvalidConfiguration(
            f"{folder}",
            f"is not the outputs folder of a finished run ({error})",
            "Give a folder such as outputs/2026-01-31/12-00-00, or resume a run that was"
            " interrupted",
        ) from error
    return Result(home.folder, history, summary)
