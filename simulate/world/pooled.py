"""All sites of a world as one: what a model could learn if the data lay in one place."""

import numpy as np

from fl_common.vocabulary import Windows
from simulate.world import notes_of
from simulate.world.build import open_world
from simulate.world.lazy import LazyWorld

SITE = "all-sites"
"""The name of the only site."""


class Pooled(LazyWorld):
    """One site with the training windows of all sites of a world, whose node is ``of`` as YAML.

    Where this process has opened that world, it is the same. The test set is that world's, and the
    windows are one privacy block.
    """

    def __init__(self, of: str) -> None:
        world = open_world(of)
        parts = [world.windows(index) for index in range(len(world.sites))]
        everyone = Windows(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.zeros(sum(map(len, parts)), np.int64),
            ("all",),
        )
        self.notes = notes_of(world)
        super().__init__(world.task, (SITE,), lambda _: everyone, None, world.test())
