"""From configuration to a site's objects: trainer, ledger, participation."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fl_client.app import SiteApp
from fl_client.home import LEDGER
from fl_client.ledger.ledger import Ledger
from fl_client.site.box import Box, yield_to_sensing
from fl_client.site.participation import Participation
from fl_common.build import build


def build_participation(
    trainer: Mapping[str, Any],
    ledger: Path,
    counter: Path | None,
    owner: str,
    clock: Callable[[], float],
) -> Participation:
    """Participation with the trainer that the node names, on ``owner``'s ledger.

    ``counter`` is the path of the ledger's counter; None: beside the ledger.
    """
    return Participation(Ledger(ledger, clock, owner, counter), build(trainer))


def build_box_app(
    box: Box, trainer: Mapping[str, Any], counter: Path | None, clock: Callable[[], float]
) -> SiteApp:
    """The Flower app of a box: its own windows, and its ledger, in the process that trains.

    ``trainer`` is the node that names the trainer; noise and batches come from the operating
    system, as the box refuses a plan with a seed. ``counter`` is the ledger's, None: beside it.
    The process that answers the first training message yields the processor to the sensing one.
    """

    @cache
    def participation() -> Participation:
        yield_to_sensing()
        return build_participation(trainer, box.home / LEDGER, counter, box.name, clock)

    return SiteApp(box.site_of, participation)
