"""Google's dp-accounting as an independent judge of epsilons: writes what the tests read.

Its pins (attrs below 24) do not go together with this project's, so it runs in an environment of
its own:

    python3 -m venv judge && judge/bin/pip install dp-accounting
    judge/bin/python benchmarks/judges/dp_accounting_values.py
"""

import json
import math
from importlib.metadata import version
from itertools import product
from pathlib import Path

import dp_accounting
from dp_accounting import pld, rdp

DELTA = 1e-5
CASES = [
    (1.1, 256 / 60000, 3515),
    (1.0, 0.1, 100),
    (0.7, 0.02, 1000),
    (2.0, 0.5, 60),
    (5.0, 1.0, 60),
    (4.9414, 1.0, 60),
    (31.4, 1.0, 60),
    (1.3, 0.004, 3515),
    (1.0, 0.01, 1000),
    (1.0, 0.01, 10_000),
    (9.344, 0.1, 6000),
    (0.8, 0.001, 100_000),
]
"""Noise multiplier, sampling rate, steps: of single windows, also by the judge's RDP."""

GROUPS = [
    (noise, rate, steps, windows, delta)
    for noise, rate, steps in [
        (0.8, 0.01, 30),
        (1.5, 0.1, 100),
        (3.0, 0.02, 1000),
        (12.0, 0.6, 100),
    ]
    for windows, delta in product((2, 3, 6), (1e-3, 1e-8))
]
"""Noise multiplier, sampling rate, steps, windows of a group, delta."""


def _event(noise: float, rate: float, steps: int) -> dp_accounting.DpEvent:
    gaussian = dp_accounting.GaussianDpEvent(noise)
    sampled = dp_accounting.PoissonSampledDpEvent(rate, gaussian) if rate < 1 else gaussian
    return dp_accounting.SelfComposedDpEvent(sampled, steps)


def _group(noise: float, rate: float, steps: int, windows: int) -> dp_accounting.DpEvent:
    drawn = range(windows + 1)
    chances = [math.comb(windows, j) * rate**j * (1 - rate) ** (windows - j) for j in drawn]
    mixture = dp_accounting.dp_event.MixtureOfGaussiansDpEvent(noise, list(drawn), chances)
    return dp_accounting.SelfComposedDpEvent(mixture, steps)


def _epsilon(
    accountant: dp_accounting.PrivacyAccountant, event: dp_accounting.DpEvent, delta: float
) -> float:
    return float(accountant.compose(event).get_epsilon(delta))


def main() -> None:
    """Write the judge's epsilons for tests/unit/fl_common/privacy/test_judged_accounting.py."""
    rows = [
        {
            "noise_multiplier": noise,
            "sampling_rate": rate,
            "steps": steps,
            "rdp": _epsilon(rdp.RdpAccountant(), _event(noise, rate, steps), DELTA),
            "pld": _epsilon(pld.PLDAccountant(), _event(noise, rate, steps), DELTA),
        }
        for noise, rate, steps in CASES
    ]
    groups = [
        {
            "noise_multiplier": noise,
            "sampling_rate": rate,
            "steps": steps,
            "windows": windows,
            "delta": delta,
            "pld": _epsilon(
                pld.PLDAccountant(value_discretization_interval=1e-3),
                _group(noise, rate, steps, windows),
                delta,
            ),
        }
        for noise, rate, steps, windows, delta in GROUPS
    ]
    judge = f"dp-accounting {version('dp-accounting')}"
    judged = {"judge": judge, "delta": DELTA, "rows": rows, "groups": groups}
    path = Path(__file__).parents[2] / "tests" / "judges" / "dp_accounting.json"
    path.write_text(json.dumps(judged, indent=1) + "\n")


if __name__ == "__main__":
    main()
