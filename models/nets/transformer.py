"""A small transformer over time, whole or frozen with low-rank adapters."""

from torch import nn

from fl_common.configuration.rules import number, optional, require, whole
from fl_common.vocabulary import Task
from models.fronts import Normalise
from models.kinds import kind_of
from models.nets import Net
from models.parts.attention import Block, MeanOverPatches, Patches, freeze_but_adapters
from models.parts.layers import series_shape, zero_linear

_PLACES = 8
"""Numbers that tell a patch's position."""


class Transformer(Net):
    """Patches of ``readings`` through ``blocks`` of ``width`` with ``heads``; their mean; a head.

    With a ``rank`` all is frozen but low-rank adapters of the queries and values (LoRA: Hu et al.
    2021) and the head, which begins at zero: a few hundred parameters that are trained, noised and
    sent. What is frozen is random unless the run begins with parameters of its own.

    Raises:
        InvalidConfiguration: windows that are not series, or an option out of range.
    """

    def __init__(
        self, task: Task, *, readings: int, width: int, heads: int, blocks: int, rank: int | None
    ) -> None:
        length, channels = series_shape(task, "transformer")
        require("net.readings", readings, whole(1, length))
        require("net.width", width, whole(1))
        divides = number(f"must divide net.width={width}", lambda h: h >= 1 and width % h == 0)
        require("net.heads", heads, divides)
        require("net.blocks", blocks, whole(1))
        require("net.rank", rank, optional(whole(1, width)))
        body = nn.Sequential(
            nn.Linear(readings * channels + _PLACES, width),
            *(Block(width, heads, rank) for _ in range(blocks)),
            nn.LayerNorm(width),
            MeanOverPatches(),
        )
        if rank is not None:
            freeze_but_adapters(body)
        body.append(zero_linear(width, kind_of(task).outputs))
        super().__init__(nn.Sequential(Normalise(task), Patches(length, readings, _PLACES)), body)
