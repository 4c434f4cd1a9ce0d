"""Simulation: federated runs on this machine, with the real client and server.

From a program or a notebook (docs/how-to/use-as-a-library.md)::

    from simulate import configure, run

    result = run(configure("task=wearables", "privacy.epsilon=4", "rounds=3"))

From a shell: ``python -m simulate``. Exports are imported on first use, so that ``import simulate``
costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fl_common.telemetry import switch_off

if TYPE_CHECKING:
    from fl_client.ledger.table import BlockState
    from simulate.configuration.composition import configure
    from simulate.library import resume, run
    from simulate.report.results import RoundResult
    from simulate.result import Result, SpentPrivacy, open_result

switch_off()

__all__ = [
    "BlockState",
    "Result",
    "RoundResult",
    "SpentPrivacy",
    "configure",
    "open_result",
    "resume",
    "run",
]

_PLACES = {
    "BlockState": "fl_client.ledger.table",
    "Result": "simulate.result",
    "RoundResult": "simulate.report.results",
    "SpentPrivacy": "simulate.result",
    "configure": "simulate.configuration.composition",
    "open_result": "simulate.result",
    "resume": "simulate.library",
    "run": "simulate.library",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'simulate' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
