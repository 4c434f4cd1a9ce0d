"""What networks for EEG are asked, and what their answers mean: the catalogue's functions for it.

Both prepare a window of one channel as the package does that the network is from
(brainmaze-eeg-models 0.1.0, BSD-3-Clause, Mayo Clinic; the wavelets after OpenSpindleNet, MIT,
Copyright (c) 2025 CaptainTrojan), and no more of it. A window whose amplitude can't be that of an
EEG in microvolts is not asked about, and told: each window is standardised, so volts would give an
answer like any other, and so would a loose electrode.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import above, inside, require
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions import FunctionEvent
from fl_common.functions.classes import Ask
from fl_common.functions.events import Event, Window

_RATE_HZ = 250
_SECOND_NS = 10**9
_Doubles = NDArray[np.float64]


class _Eeg:
    """A function of windows of one channel of EEG in microvolts, asked of ``network``.

    A window whose standard deviation lies outside ``least_uv`` to ``most_uv`` is told as
    ``eeg-unusable``, the first of a row of such.

    Raises:
        InvalidConfiguration: bounds that are none.
    """

    readings = 0

    def __init__(self, network: str, least_uv: float, most_uv: float) -> None:
        require("least_uv", least_uv, above(0))
        require("most_uv", most_uv, above(0))
        if most_uv <= least_uv:
            rule = f"must be above least_uv={least_uv}"
            raise InvalidConfiguration(f"most_uv={most_uv}", rule, "Give the range of an EEG")
        self._network, self._bounds = network, (least_uv, most_uv)
        self._ask: Ask | None = None
        self._unusable, self._until_ns = 0, 0

    def ask_by(self, ask: Ask) -> None:
        """See ``Asking``."""
        self._ask = ask

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return {"unusable": self._unusable, "until_ns": self._until_ns}

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``."""
        self._unusable, self._until_ns = int(before["unusable"]), int(before["until_ns"])

    def __call__(self, event: Event) -> Iterable[FunctionEvent]:
        """What is found in a window. Raises InvalidData where it is another than the network's."""
        wave_T = self._wave(event)
        sigma, (least, most) = float(wave_T.std()), self._bounds
        if not least <= sigma <= most:
            self._unusable += 1
            return [] if self._unusable > 1 else [_unusable(event, sigma, least, most)]
        self._unusable = 0
        assert self._ask is not None
        return list(self._found(event.start_ns, self._ask, wave_T))

    def _wave(self, event: Event) -> _Doubles:
        if not isinstance(event, Window) or len(event.channels) != 1:
            raise InvalidData("an event", "is no window of one channel", 'Set "on" to windows')
        wave_T = np.asarray(event.values, np.float64)
        if len(wave_T) != self.readings:
            rule = f"must be {self.readings:,} at {_RATE_HZ} Hz"
            raise InvalidData(f"{len(wave_T):,} readings", rule, "Cut such windows (task)")
        return wave_T

    def _found(self, start_ns: int, ask: Ask, wave_T: _Doubles) -> Iterator[FunctionEvent]:
        raise NotImplementedError


class SleepSpindles(_Eeg):
    """Tells sleep spindles, once each: those that it is as sure of as ``above``.

    Of spindles that overlap by ``overlap`` of both, the surer one is told.
    """

    readings = 30 * _RATE_HZ

    def __init__(
        self,
        above: float,
        overlap: float,
        network: str = "sleep-spindles",
        least_uv: float = 0.5,
        most_uv: float = 1000.0,
    ) -> None:
        super().__init__(network, least_uv, most_uv)
        require("above", above, inside("(0, 1)"))
        require("overlap", overlap, inside("(0, 1)"))
        self._above, self._overlap = above, overlap

    def _found(self, start_ns: int, ask: Ask, wave_T: _Doubles) -> Iterator[FunctionEvent]:
        answer = ask(self._network, spindle_inputs(wave_T))
        with np.errstate(over="ignore"):
            sure_S3 = 1 / (1 + np.exp(-answer[:90].astype(np.float64).reshape(30, 3)))
        for begin_s, end_s, sure in _spindles(sure_S3, self._above, self._overlap):
            from_ns, to_ns = (start_ns + round(t * _SECOND_NS) for t in (begin_s, end_s))
            if from_ns < self._until_ns:
                continue  # an earlier window, which overlaps this one, has told it
            self._until_ns = to_ns
            data = {"from_ns": from_ns, "to_ns": to_ns, "probability": round(sure, 4)}
            yield FunctionEvent("sleep-spindle", data)


class Seizures(_Eeg):
    """Tells when a seizure begins: its probability is ``above`` for ``seconds`` on end.

    It ends, and is told, too, when a window has none. The first and the last 10 s of a window are
    left out, where the network is less sure.
    """

    readings = 300 * _RATE_HZ

    def __init__(
        self,
        above: float,
        seconds: float,
        network: str = "seizures",
        least_uv: float = 0.5,
        most_uv: float = 5000.0,
    ) -> None:
        super().__init__(network, least_uv, most_uv)
        require("above", above, inside("(0, 1)"))
        require("seconds", seconds, inside("[0.5, 100]"))
        self._above, self._steps = above, max(1, round(2 * seconds))
        self._lasts = False

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return {**super().remembered(), "lasts": self._lasts}

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``."""
        super().remember(before)
        self._lasts = bool(before["lasts"])

    def _found(self, start_ns: int, ask: Ask, wave_T: _Doubles) -> Iterator[FunctionEvent]:
        answer = ask(self._network, seizure_input(wave_T))
        probabilities_S = answer.reshape(2, -1, 4)[1, :, 3]  # logits first
        sure_S = probabilities_S[20:-20]
        begun = _first_run(sure_S >= self._above, self._steps)
        if (begun is not None) == self._lasts:
            return
        self._lasts = begun is not None
        at_ns = start_ns + (21 + (begun or 0)) * _SECOND_NS // 2
        data = {"at_ns": at_ns, "probability": round(float(sure_S.max()), 4)}
        yield FunctionEvent("seizure-began" if self._lasts else "seizure-ended", data)


def spindle_inputs(wave_T: _Doubles) -> NDArray[np.float32]:
    """Both inputs in a row: the window (7500,), and its scalogram (15, 7500), standardised."""
    plain_T = wave_T - wave_T.mean()
    parts = (_standard(plain_T), _standard(_scalogram(plain_T)).ravel())
    return np.concatenate(parts).astype(np.float32)


def seizure_input(wave_T: _Doubles) -> NDArray[np.float32]:
    """Power spectra (1, 100, S) of 1 s each half second, each frequency standardised over time.

    Seconds that are flat count in no mean and stay zero.
    """
    pieces_ST = np.lib.stride_tricks.sliding_window_view(_standard(wave_T), _RATE_HZ)
    pieces_ST = pieces_ST[:: _RATE_HZ // 2]
    pieces_ST = (pieces_ST - pieces_ST.mean(axis=1, keepdims=True)) * _tapered()
    power_FS = np.abs(np.fft.rfft(pieces_ST, axis=1)).T[:100] ** 2
    sounds_S = power_FS.sum(axis=0) != 0
    power_FS[:, sounds_S] = _standard(power_FS[:, sounds_S])
    return power_FS[None].astype(np.float32)


def _tapered() -> _Doubles:
    """A second whose first and last eighth rise and fall as a cosine: Tukey's window, periodic."""
    eighth = _RATE_HZ / 8
    places_T = np.arange(_RATE_HZ)
    from_an_end_T = np.minimum(places_T, _RATE_HZ - places_T)
    return np.asarray(0.5 * (1 - np.cos(np.pi * np.minimum(from_an_end_T / eighth, 1.0))))


def _standard(values: _Doubles) -> _Doubles:
    """With mean 0 and standard deviation 1 along the last axis."""
    spread = values.std(axis=-1, keepdims=True)
    centred = values - values.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))


@cache
def _kernels() -> tuple[int, tuple[NDArray[np.complex128], ...], tuple[int, ...]]:
    """The length of the transforms, the spectra of 15 wavelets, and where each answer begins.

    As ``pywt.cwt`` of PyWavelets up to 1.8 samples 'shan6-13': at 1024 points from -20 to 20.
    """
    grid = np.linspace(-20.0, 20.0, 1024)
    step = grid[1] - grid[0]
    psi = np.sqrt(6.0) * np.sinc(6.0 * grid) * np.exp(2j * np.pi * 13.0 * grid)
    integral = np.conj(np.cumsum(psi) * step)
    scales = np.geomspace(135, 270, num=15)
    waves = []
    for scale in scales:
        places = (np.arange(scale * 40.0 + 1) / (scale * step)).astype(int)
        waves.append(integral[places[places < len(integral)]][::-1])
    count = 1 << (SleepSpindles.readings + max(map(len, waves))).bit_length()
    spectra = tuple(
        -np.sqrt(scale) * np.fft.fft(np.diff(np.concatenate(([0.0], wave, [0.0]))), count)
        for scale, wave in zip(scales, waves, strict=True)
    )
    return count, spectra, tuple(int((len(wave) - 2) / 2.0) + 1 for wave in waves)


def _scalogram(wave_T: _Doubles) -> _Doubles:
    """The magnitude (15, T) of each wavelet along the window."""
    count, spectra, begins = _kernels()
    spectrum, length = np.fft.fft(wave_T, count), len(wave_T)
    rows = [
        np.abs(np.fft.ifft(spectrum * one)[begin : begin + length])
        for one, begin in zip(spectra, begins, strict=True)
    ]
    return np.stack(rows)


def _spindles(
    sure_S3: _Doubles, above: float, overlap: float
) -> Iterable[tuple[float, float, float]]:
    """Begin and end in seconds of the window, and how sure: in the order of time.

    Each of 30 seconds has how sure it is of a spindle, its middle, and its length in units of 2 s.
    """
    found = [
        (max(0.0, middle - length), min(30.0, middle + length), sure)
        for second, (sure, place, double) in enumerate(sure_S3.tolist())
        if sure >= above
        for middle, length in ((second + place, double),)
    ]
    kept: list[tuple[float, float, float]] = []
    for one in sorted(found, key=lambda each: -each[2]):
        if one[1] > one[0] and all(_shared(one, other) < overlap for other in kept):
            kept.append(one)
    return sorted(kept)


def _shared(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """The share of both that both have."""
    common = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return common / ((one[1] - one[0]) + (other[1] - other[0]) - common)


def _first_run(holds_S: NDArray[np.bool_], steps: int) -> int | None:
    """Where ``steps`` in a row begin that hold; None: nowhere."""
    run = 0
    for place, holds in enumerate(holds_S.tolist()):
        run = run + 1 if holds else 0
        if run == steps:
            return place - steps + 1
    return None


def _unusable(event: Event, sigma: float, least: float, most: float) -> FunctionEvent:
    hint = (
        "it may be in volts: declare the sensor's unit"
        if 0 < sigma < least * 1e-2
        else "an electrode may be loose"
    )
    data = {
        "start_ns": event.start_ns,
        "sigma_uv": sigma,
        "least_uv": least,
        "most_uv": most,
        "hint": hint,
    }
    return FunctionEvent("eeg-unusable", data)
