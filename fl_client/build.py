"""Build a box's app from the configuration: trainer, ledger, participation."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fl_client.app import SiteApp
from fl_client.home import LEDGER
from fl_client.ledger.composition import Limit, limit_of_owner
from fl_client.ledger.ledger import Ledger
from fl_client.site.box import Box, yield_to_sensing
from fl_client.site.participation import Participation
from fl_client.training.build import build_trainer
from fl_client.windows.grid import windows_per_reading


def build_box_app(
    box: Box, trainer: Mapping[str, Any], counter: Path | None, clock: Callable[[], float]
) -> SiteApp:
    """The Flower app of a box, on its own windows and ledger; for the training process.

    ``trainer`` is the trainer's configuration. Noise and batches come from the operating system's
    generator: the box refuses a plan with a seed for its noise. It has a trainer of this package,
    whose noise a plan may rely on. ``counter`` is the path of the ledger's counter; None puts it
    beside the ledger. The trainer is built, and its packages imported, at once: the first answer
    must not take longer for it. The first training message lowers the process's priority.
    """
    built = build_trainer(trainer)

    @cache
    def participation() -> Participation:
        yield_to_sensing()
        ledger = Ledger(box.home / LEDGER, clock, box.name, counter, limit_of(box))
        return Participation(ledger, built)

    return SiteApp(box.site_of, participation)


def limit_of(box: Box) -> Limit:
    """The owner's limit on all plans; a reading is in as many windows as the box cuts."""
    policy = box.policy
    shared = windows_per_reading(box.task, box.slicing) if policy.unit == "reading" else 1
    return limit_of_owner(policy.epsilon, policy.delta, policy.unit, shared)
