"""``python -m benchmarks.judges.accountants JUDGE_PYTHON``: the time that one epsilon takes.

This project's ``prv``, Opacus' PRVAccountant and dp-accounting's PLDAccountant compute the same
plans in one run. All three are within 0.6 % of each other, or the row says "not comparable".
``JUDGE_PYTHON`` is the interpreter of an environment with dp-accounting (``dp_accounting_values``
says how it is made). Nothing is kept between epsilons, except in the last column: all of a run's
epsilons, one a round.
"""

import argparse
import json
import subprocess
import time
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median

from opacus.accountants.prv import PRVAccountant
from rich.console import Console

from fl_common.privacy import accounting, prv
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.privacy.losses import Losses

DELTA = 1e-5
PLANS = [
    (1.0, 0.01, 1000),
    (1.0, 0.01, 10_000),
    (9.344, 0.1, 6000),
    (0.8, 0.001, 100_000),
    (2.0, 0.1, 500),
]
"""Noise multiplier, sampling rate, steps."""
_REPEATS = 3
_ROUNDS = 100
_EQUAL = 0.006
"""Opacus' epsilon may err by 0.01, which is 0.6 % at the least epsilon here."""
_FORGET = (
    accounting._epsilon_of_history.cache_clear,
    accounting._rdp_of_step.cache_clear,
    prv._spectrum.cache_clear,
    prv._log_moments.cache_clear,
    prv._mean_and_variance.cache_clear,
    Losses.both_ways.cache_clear,
)
_HEAD = "| noise | rate | steps | epsilon | Opacus | dp-accounting | ours | {} | {} | a round |"
_JUDGE = """
import json, sys, time
import dp_accounting
from dp_accounting import pld
def epsilon(noise, rate, steps):
    one = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise))
    event = dp_accounting.SelfComposedDpEvent(one, steps)
    return float(pld.PLDAccountant().compose(event).get_epsilon(float(sys.argv[2])))
for plan in json.loads(sys.argv[1]):
    began = time.perf_counter()
    print(json.dumps([epsilon(*plan), time.perf_counter() - began]))
"""

Measured = tuple[float, float]
"""An epsilon, and the median of the seconds that it took."""


def main() -> None:
    """Print a row for each plan, with ratios to the project's own time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("judge", help="the Python interpreter that has dp-accounting")
    judged = _judged(parser.parse_args().judge)
    console = Console(highlight=False, soft_wrap=True)
    console.print(_HEAD.format("Opacus / ours", "dp-accounting / ours"))
    console.print("|" + "---|" * 10)
    for plan, judge in zip(PLANS, judged, strict=True):
        console.print(_row(plan, judge))


def _row(plan: tuple[float, float, int], judge: Measured) -> str:
    ours, opacus = _timed(partial(_ours, *plan)), _timed(partial(_opacus, *plan))
    epsilons = [each[0] for each in (ours, opacus, judge)]
    is_equal = max(epsilons) <= (1 + _EQUAL) * min(epsilons)
    ratios = [
        f"{each[1] / ours[1]:.0f}" if is_equal else "not comparable" for each in (opacus, judge)
    ]
    times = [f"{each[1] * 1000:.0f} ms" for each in (opacus, judge, ours)]
    cells = [*map(str, plan), f"{ours[0]:.4f}", *times, *ratios, f"{_a_round(*plan) * 1000:.1f} ms"]
    return f"| {' | '.join(cells)} |"


def _timed(epsilon: Callable[[], float]) -> Measured:
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        value = epsilon()
        seconds.append(time.perf_counter() - began)
    return value, median(seconds)


def _ours(noise: float, rate: float, steps: int) -> float:
    for forget in _FORGET:
        forget()
    return epsilon_of([Spend(noise, rate, steps)], DELTA, "prv")


def _opacus(noise: float, rate: float, steps: int) -> float:
    accountant = PRVAccountant()
    accountant.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(DELTA))


def _a_round(noise: float, rate: float, steps: int) -> float:
    """Seconds that an epsilon takes where a run asks for one after each round."""
    _ours(noise, rate, steps)
    began = time.perf_counter()
    for round_ in range(1, _ROUNDS):
        epsilon_of([Spend(noise, rate, steps * round_ // _ROUNDS)], DELTA, "prv")
    return (time.perf_counter() - began) / (_ROUNDS - 1)


def _judged(python: str) -> list[Measured]:
    arguments = [python, "-W", "ignore", "-c", _JUDGE, json.dumps(PLANS), str(DELTA)]
    runs = [
        subprocess.run(arguments, capture_output=True, check=True, text=True, timeout=300).stdout
        for _ in range(_REPEATS)
    ]
    rows = [[json.loads(line) for line in run.splitlines()] for run in runs]
    return [(each[0][0], median(row[1] for row in each)) for each in zip(*rows, strict=True)]


if __name__ == "__main__":
    main()
