"""A fleet of simulated sites over a world; each is built on demand."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from fl_client.site.participation import Site, any_plan
from fl_common.vocabulary import Windows
from simulate.world import World


class Fleet:
    """Finds the site of a Flower node: its ``partition-id`` is the position in the world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def site_of(self, node_config: Mapping[str, Any]) -> Site:
        """The site at the node's partition."""
        position = int(node_config["partition-id"])
        return Site(
            self._world.sites[position],
            position,
            training_windows=partial(self._world.windows, position),
            held_out_windows=partial(self._held_out, position),
            check_plan=any_plan,
        )

    def _held_out(self, position: int) -> Windows:
        """The site's own group of the test set; none where the test set has no such group."""
        test, name = self._world.test(), self._world.sites[position]
        groups = np.array([group == name for group in test.groups])
        windows = test.windows.take(groups[test.group_of])
        own, block_of = np.unique(windows.block_of, return_inverse=True)
        blocks = tuple(windows.blocks[block] for block in own)
        return Windows(windows.values, windows.labels, block_of.astype(np.int64), blocks)
