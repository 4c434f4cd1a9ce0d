"""All sites of a world as one: what a model could learn if the data lay in one place."""

import numpy as np

from fl_common.vocabulary import Windows
from simulate.world import World, notes_of
from simulate.world.lazy import LazyWorld

SITE = "all-sites"
"""The name of the only site."""


class Pooled(LazyWorld):
    """One site with the training windows of all sites of ``world``.

    Its test set is that world's, and its windows are one privacy block.
    """

    def __init__(self, world: World) -> None:
        parts = [world.windows(index) for index in range(len(world.sites))]
        everyone = Windows(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.zeros(sum(map(len, parts)), np.int64),
            ("all",),
        )
        self.notes = notes_of(world)
        super().__init__(world.task, (SITE,), lambda _: everyone, None, world.test())
