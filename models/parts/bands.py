"""The spectrum of a standardised window in bands, as a fixed function of one window."""

import itertools
import math

import torch
from torch import nn

_LONGEST = 192
"""Readings of one section: what a plan's net may hold besides parameters is limited."""
_FLOOR = 1e-3
"""Share of a window's power below which a band is empty."""


class Bands(nn.Module):
    """Standardised series (N, T, S) to log power in up to ``most`` bands of each signal.

    A window longer than 192 readings is cut into sections of 192 that overlap by half, whose
    powers are averaged (Welch 1967); up to 95 readings at its end are not used. Each section is
    weighted by a Hann window. Bands grow wider with the frequency, up to half the rate.
    """

    cosines: torch.Tensor
    sines: torch.Tensor
    edges: torch.Tensor

    def __init__(self, length: int, most: int) -> None:
        super().__init__()
        self.hop = _LONGEST // 2 if length > _LONGEST else 0
        section = _LONGEST if self.hop else length
        ends = band_ends(section // 2, most)
        self.count = len(ends)
        time_T = torch.arange(section, dtype=torch.float64)
        frequency_F = torch.arange(1, section // 2 + 1, dtype=torch.float64)
        hann_T = 0.5 - 0.5 * torch.cos(2 * math.pi * (time_T + 0.5) / section)
        weight_T1 = (hann_T / hann_T.square().mean().sqrt() / section)[:, None]
        angle_TF = 2 * math.pi * time_T[:, None] * frequency_F / section
        bands_FB = torch.zeros(len(frequency_F), len(ends))
        for band, (before, end) in enumerate(itertools.pairwise([0, *ends])):
            bands_FB[before:end, band] = 2.0
        self.register_buffer("cosines", (weight_T1 * torch.cos(angle_TF)).float())
        self.register_buffer("sines", (weight_T1 * torch.sin(angle_TF)).float())
        self.register_buffer("edges", bands_FB)

    def forward(self, standard_NTS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log powers less each signal's mean over bands (N, S * bands); these means (N, S)."""
        sections_NSKT = self._sections(standard_NTS.transpose(1, 2))
        real_NSKF = sections_NSKT @ self.cosines.double()
        imaginary_NSKF = sections_NSKT @ self.sines.double()
        power_NSF = (real_NSKF * real_NSKF + imaginary_NSKF * imaginary_NSKF).mean(2)
        log_NSB = (power_NSF @ self.edges.double() + _FLOOR).log() / 4
        mean_NS1 = log_NSB.mean(2, keepdim=True)
        return (log_NSB - mean_NS1).flatten(1), mean_NS1.flatten(1) + 0.5

    def _sections(self, series_NST: torch.Tensor) -> torch.Tensor:
        """(N, S, sections, readings of a section)."""
        if not self.hop:
            return series_NST.unsqueeze(2)
        pieces = series_NST.shape[2] // self.hop
        pieces_NSKH = series_NST[:, :, : pieces * self.hop].unflatten(2, (pieces, self.hop))
        return torch.cat([pieces_NSKH[:, :, :-1], pieces_NSKH[:, :, 1:]], 3)


def band_ends(frequencies: int, most: int) -> tuple[int, ...]:
    """The last frequency of each of up to ``most`` bands over 1 to ``frequencies``.

    Widths grow by a constant factor, and are whole numbers of at least 1.
    """
    if frequencies <= most:
        return tuple(range(1, frequencies + 1))
    low, high = 1.0, 2.0
    for _ in range(50):
        factor = (low + high) / 2
        low, high = (factor, high) if _reach(factor, most) < frequencies else (low, factor)
    sums = itertools.accumulate(high**band for band in range(most))
    return tuple(sorted({min(frequencies, round(end)) for end in sums} | {frequencies}))


def _reach(factor: float, most: int) -> float:
    return sum(factor**band for band in range(most))
