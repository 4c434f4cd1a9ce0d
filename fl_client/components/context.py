"""What follows the repository on a box knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.components.shape import BoxShape
from fl_client.functions.runner import Functions
from fl_client.inference.networks import BoxNetworks
from fl_client.inference.slots import ModelSlot
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class NodeContext:
    """The parts of a node that its component updates need."""

    site: str
    home: Path
    task: Task
    slot: ModelSlot
    engine: Mapping[str, Any]
    """The engine's section of the configuration."""
    functions: Functions
    function_seconds: float
    """The longest call of a function."""
    troubles: Troubles
    shape: BoxShape | None = None
    """What windows go through before the model; None: nothing."""
    networks: BoxNetworks | None = None
    """What functions ask by name; None: nothing."""
