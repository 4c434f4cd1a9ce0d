"""From configuration to a site's objects: trainer, ledger, participation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fl_client.ledger import Ledger
from fl_client.participation import Participation
from fl_common.build import build


def build_participation(
    trainer: Mapping[str, Any], ledger: Path, clock: Callable[[], float]
) -> Participation:
    """Participation with the trainer that the node names, on the ledger at ``ledger``."""
    return Participation(Ledger(ledger, clock), build(trainer))
