"""Parameters of many sites as one matrix (S, P): a row per site, each parameter at its slot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fl_common.vocabulary import Parameters


@dataclass(frozen=True)
class ParameterRange:
    """Where one parameter lies in a site's row: from ``start``, with the parameter's shape."""

    start: int
    shape: torch.Size

    def view(self, rows_SP: torch.Tensor) -> torch.Tensor:
        """The parameter of all sites as a view, shape (S, *shape)."""
        return self.flat(rows_SP).view(len(rows_SP), *self.shape)

    def flat(self, rows_SP: torch.Tensor) -> torch.Tensor:
        """The parameter's entries of all sites as a view, shape (S, entries)."""
        return rows_SP.narrow(1, self.start, self.shape.numel())


ParameterRanges = Mapping[str, ParameterRange]
"""By the parameter's name, in the body's order."""


def slots_of(body: nn.Module) -> ParameterRanges:
    """The slot of each trained parameter of ``body`` in a row; frozen ones have none."""
    slots, start = {}, 0
    for name, parameter in body.named_parameters():
        if not parameter.requires_grad:
            continue
        slots[name] = ParameterRange(start, parameter.shape)
        start += parameter.numel()
    return slots


def load_frozen(body: nn.Module, parameters: Parameters) -> None:
    """Write the frozen ones of ``parameters`` into ``body``, in place."""
    with torch.no_grad():
        for name, parameter in body.named_parameters():
            if not parameter.requires_grad:
                parameter.copy_(torch.from_numpy(np.array(parameters[name])))


def width_of_row(slots: ParameterRanges) -> int:
    """Number of entries P of a row."""
    return sum(slot.shape.numel() for slot in slots.values())


def to_rows(parameters_S: Sequence[Parameters], slots: ParameterRanges) -> torch.Tensor:
    """Each site's parameters as a row, shape (S, P); equal objects are laid out once."""
    rows: dict[int, torch.Tensor] = {}
    for parameters in parameters_S:
        if id(parameters) not in rows:
            flat = np.concatenate([parameters[name].ravel() for name in slots])
            rows[id(parameters)] = torch.from_numpy(flat)
    return torch.stack([rows[id(parameters)] for parameters in parameters_S])


def from_row(row_P: torch.Tensor, slots: ParameterRanges) -> Parameters:
    """The named parameters of one row."""
    values_P = row_P.numpy()
    return {
        name: values_P[slot.start : slot.start + slot.shape.numel()].reshape(slot.shape)
        for name, slot in slots.items()
    }
