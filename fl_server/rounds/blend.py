"""First parameters that are an earlier model's in part, and new ones for the rest."""

from dataclasses import dataclass

import numpy as np

from fl_common.configuration.rules import Config, inside, require
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Parameters
from models.nets import Net, parameters_of, trained_part


@dataclass(frozen=True)
class Blend:
    """First parameters: ``keep`` times an earlier model's, and ``stir`` times new random ones.

    1 and 0 begin where that model was. Less of it and some of the new ones (shrink and perturb: Ash
    and Adams, "On warm-starting neural network training", NeurIPS 2020, section 4) learns better
    from data that have changed. Frozen layers are kept as they are.

    Raises:
        InvalidConfiguration: a share outside its range.
    """

    keep: float
    stir: float

    def __post_init__(self) -> None:
        require("init_keep", self.keep, inside("(0, 1]"))
        require("init_stir", self.stir, inside("[0, 1]"))

    def of(self, net: Net, earlier: Parameters) -> Parameters:
        """The first parameters, where ``net`` has the new ones."""
        moved = trained_part(net, parameters_of(net))
        keep, stir = np.float32(self.keep), np.float32(self.stir)
        mixed = {name: keep * earlier[name] + stir * array for name, array in moved.items()}
        return {**earlier, **mixed}


def blend_of(config: Config) -> Blend:
    """What ``config`` says of first parameters.

    Raises:
        InvalidConfiguration: a share outside its range, or one of nothing.
    """
    blend = Blend(config["init_keep"], config["init_stir"])
    if config["init"] is None and blend != PLAIN:
        raise InvalidConfiguration(
            f"init_keep={blend.keep}, init_stir={blend.stir}",
            "mix an earlier model's parameters with new ones, and init=null names no such model",
            "Set init, or leave both out",
        )
    return blend


PLAIN = Blend(1.0, 0.0)
