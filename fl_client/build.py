"""From configuration to a site's objects: trainer, ledger, participation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fl_client.ledger import Ledger
from fl_client.participation import Participation
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
