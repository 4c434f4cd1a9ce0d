"""The attacker of the audit, on updates as they come off the wire."""

from collections.abc import Iterator

import pytest
import torch

from models.nets import build_net, parameters_of
from simulate.audit.attacker import Attacker
from tests.support import samples


@pytest.fixture
def every_warning() -> Iterator[None]:
    """Torch warns of one thing once in a process, and another test may have been the first."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.filterwarnings("error")
@pytest.mark.usefixtures("every_warning")
def test_an_update_that_can_not_be_written_is_read_without_a_warning() -> None:
    plan = samples.plan()
    attacker = Attacker(plan, samples.windows(seed=0), samples.windows(seed=1))
    nothing = parameters_of(build_net(plan.net, plan.task))
    update = {name: array + 1 for name, array in nothing.items()}
    for array in update.values():
        array.flags.writeable = False
    attacker.see(nothing, update)
    assert attacker.scores_M.any()
