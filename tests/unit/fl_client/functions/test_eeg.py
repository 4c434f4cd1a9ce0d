"""The catalogue's functions for EEG: what they ask, and what they make of the answers."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import spectrogram

from fl_client.functions.eeg import Seizures, SleepSpindles, seizure_input, spindle_inputs
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions.events import FunctionEvent, Predicted, Window

SECOND = 10**9
Floats = NDArray[np.float32]


def brown(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Microvolts: a walk, with a standard deviation of 30."""
    wave_T = np.cumsum(np.random.default_rng(seed).normal(0, 1, count))
    return np.asarray(30 * (wave_T - wave_T.mean()) / wave_T.std())


def window(values_T: NDArray[np.float64], start_ns: int = 0) -> Window:
    end_ns = start_ns + len(values_T) * SECOND // 250
    return Window(start_ns, end_ns, ("eeg",), tuple(values_T.tolist()))


class Answers:
    """A network that answers in turn, and notes how large the questions were."""

    def __init__(self, *answers: Floats) -> None:
        self._answers, self.asked = list(answers), list[tuple[str, int]]()

    def __call__(self, network: str, values: Floats) -> Floats:
        self.asked.append((network, values.size))
        return self._answers.pop(0)


def spindle_answer(*found: tuple[int, float, float, float]) -> Floats:
    """Logits for second, probability, place in the second, and half the length; then samples."""
    sure_S3 = np.full((30, 3), 0.01)
    for second, *three in found:
        sure_S3[second] = three
    logits = np.log(sure_S3 / (1 - sure_S3))
    return np.concatenate([logits.ravel(), np.zeros(7500)]).astype(np.float32)


def seizure_answer(*sure: tuple[int, int]) -> Floats:
    """Logits and probabilities of 599 half seconds, sure of a seizure in these spans."""
    probs_S4 = np.tile([0.7, 0.1, 0.1, 0.1], (599, 1))
    for begin, end in sure:
        probs_S4[begin:end] = [0, 0, 0.1, 0.9]
    return np.concatenate([np.zeros(599 * 4), probs_S4.ravel()]).astype(np.float32)


def heard(
    function: Callable[[Any], Any], windows: Sequence[Window]
) -> list[tuple[int, FunctionEvent]]:
    return [(n, event) for n, one in enumerate(windows) for event in function(one)]


def test_the_scalogram_is_what_a_convolution_with_each_wavelet_gives() -> None:
    wave_T = brown(7500) + 5.0
    row = spindle_inputs(wave_T)
    assert row.size == 7500 * 16
    plain_T = wave_T - wave_T.mean()
    assert np.allclose(row[:7500], plain_T / plain_T.std(), atol=1e-5)
    grid = np.linspace(-20, 20, 1024)
    step = grid[1] - grid[0]
    psi = np.sqrt(6) * np.sinc(6 * grid) * np.exp(2j * np.pi * 13 * grid)
    whole = np.conj(np.cumsum(psi) * step)
    for number, scale in enumerate(np.geomspace(135, 270, num=15)):
        if number not in (0, 7, 14):
            continue
        places = (np.arange(scale * 40 + 1) / (scale * step)).astype(int)
        wavelet = whole[places[places < 1024]][::-1]
        sum_T = -np.sqrt(scale) * np.diff(np.convolve(plain_T, wavelet))
        begin = int(np.floor((len(sum_T) - 7500) / 2))
        size_T = np.abs(sum_T[begin : begin + 7500])
        wanted_T = (size_T - size_T.mean()) / size_T.std()
        found_T = row[7500 * (number + 1) :][:7500]
        assert np.abs(found_T - wanted_T).max() < 1e-4


def test_the_power_spectra_are_scipys() -> None:
    wave_T = brown(75_000)
    standard_T = (wave_T - wave_T.mean()) / wave_T.std()
    _, _, power_FS = spectrogram(standard_T, 250, nperseg=250, noverlap=125)
    power_FS = power_FS[:100]
    wanted_FS = power_FS - power_FS.mean(axis=1, keepdims=True)
    wanted_FS /= power_FS.std(axis=1, keepdims=True)
    assert np.abs(seizure_input(wave_T)[0] - wanted_FS).max() < 1e-4


def test_a_spindle_is_told_once_though_windows_overlap() -> None:
    answers = Answers(
        spindle_answer((25, 0.9, 0.5, 0.25), (26, 0.6, 0.01, 0.5), (3, 0.4, 0.5, 0.5)),
        spindle_answer((5, 0.95, 0.5, 0.25), (20, 0.8, 0.25, 0.5)),
    )
    function = SleepSpindles(above=0.5, overlap=0.2)
    function.ask_by(answers)
    found = heard(function, [window(brown(7500)), window(brown(7500, 1), 20 * SECOND)])
    told = [(n, event.kind, event.data["from_ns"] / SECOND) for n, event in found]
    assert [(n, kind) for n, kind, _ in told] == [(0, "sleep-spindle"), (1, "sleep-spindle")]
    assert [at for *_, at in told] == pytest.approx([25.25, 39.75], abs=1e-3)
    assert found[0][1].data["probability"] == pytest.approx(0.9, abs=1e-3)
    assert answers.asked == [("sleep-spindles", 120_000)] * 2


def test_a_seizure_begins_once_and_ends_with_a_window_that_has_none() -> None:
    answers = Answers(
        seizure_answer((300, 305)), seizure_answer((0, 20), (300, 310)),
        seizure_answer((100, 400)), seizure_answer(), seizure_answer(),
    )  # fmt: skip
    function = Seizures(above=0.5, seconds=5)
    function.ask_by(answers)
    windows = [window(brown(75_000, n), n * 20 * SECOND) for n in range(5)]
    found = heard(function, windows)
    assert [(n, event.kind) for n, event in found] == [(1, "seizure-began"), (3, "seizure-ended")]
    assert found[0][1].data["at_ns"] == 20 * SECOND + 301 * SECOND // 2


@pytest.mark.parametrize(
    ("values_T", "hint"),
    [
        (brown(7500) * 1e-6, "it may be in volts"),
        (np.zeros(7500), "an electrode may be loose"),
        (brown(7500) * 1e3, "an electrode may be loose"),
    ],
)
def test_what_can_be_no_eeg_in_microvolts_is_told_and_never_asked_about(
    values_T: NDArray[np.float64], hint: str
) -> None:
    answers = Answers(spindle_answer(), spindle_answer())
    function = SleepSpindles(above=0.5, overlap=0.3)
    function.ask_by(answers)
    windows = [window(brown(7500)), *(window(values_T, n * SECOND) for n in range(1, 5))]
    found = heard(function, [*windows, window(brown(7500), 9 * SECOND)])
    assert [(n, event.kind) for n, event in found] == [(1, "eeg-unusable")]
    assert hint in found[0][1].data["hint"]
    assert len(answers.asked) == 2


def test_it_goes_on_after_a_restart_from_what_it_remembers() -> None:
    first = Seizures(above=0.5, seconds=5)
    first.ask_by(Answers(seizure_answer((100, 400))))
    assert len(list(first(window(brown(75_000))))) == 1
    again = Seizures(above=0.5, seconds=5)
    again.ask_by(Answers(seizure_answer((100, 400))))
    again.remember(json.loads(json.dumps(first.remembered())))
    assert list(again(window(brown(75_000), 20 * SECOND))) == []


def test_windows_of_others_and_arguments_that_can_not_be_are_refused() -> None:
    function = SleepSpindles(above=0.5, overlap=0.3)
    function.ask_by(Answers())
    with pytest.raises(InvalidData, match="7,000 readings"):
        function(window(brown(7000)))
    with pytest.raises(InvalidData, match="no window of one channel"):
        function(Predicted(0, 1, ("a",), (1.0,)))
    with pytest.raises(InvalidConfiguration, match="above"):
        SleepSpindles(above=1.5, overlap=0.3)
    with pytest.raises(InvalidConfiguration, match="most_uv"):
        Seizures(above=0.5, seconds=5, least_uv=10, most_uv=1)
