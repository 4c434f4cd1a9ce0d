"""docs/privacy-table.md: what was measured, and what each number means."""

from collections.abc import Sequence
from statistics import median, stdev

from benchmarks.measuring.machine import Facts
from benchmarks.privacy.kept import table
from benchmarks.privacy.results import Check, Cost, Level, Measured, Promise, RateTrial, Trial

TARGETS = {8.0: 0.90, 4.0: 0.88, 2.0: 0.85}
"""Least mean accuracy, by the limit of epsilon."""
MOST_COST = 1.3
"""Time of a round with DP over one without, at most."""
LARGEST_DIFFERENCE = 0.005
"""Of our mean accuracy from the published one, downwards."""

_INTRODUCTION = """# Privacy and accuracy

Federated learning with differential privacy on UCI HAR (Anguita et al. 2013), by one command:

```sh
make privacy-table    # DATA=the archive, or its folder; left out, it is downloaded once
```

It writes this page. The archive's 21 training persons are the sites; the test set is its nine other
persons, whom no site has seen.

**Tuning used held-out training persons only**: features, learning rate, steps and rounds were
chosen by the mean accuracy on four folds of five or six of the 21 training persons, in about 70
trials, and one recipe serves every epsilon. [The recipe](explanation/privacy-recipe.md) tells what
else was tried. What the choice itself gives away of the training persons is not counted in epsilon.
"""

_MEANING = """What the columns mean:

- **Unit: a window**, 2.56 s of one person. Adding or removing one window of a site changes the
  probability of everything that the site sends in the whole run by at most a factor of e^epsilon,
  but for a delta of {delta:g}. A person, who has hundreds of windows, is not hidden by it.
- **Composed.** Epsilon is over all rounds, the highest over sites. Accountant: {accountant}.
  A step takes {share} of a site's windows and clips each one's gradient to a norm of {clip:g}.
- **Per reading.** The windows overlap by half, so a reading sits in two. The epsilon beside it is
  that of two windows which come and go together, at the same delta (group privacy; with
  `privacy.unit=reading` the limit is on this one). The archive's authors filtered whole recordings
  before they cut the windows, so that a reading also leaves a fading trace in windows near it,
  which neither column counts.
- **Public.** About how many windows a site has: one declared number divides the sums of all sites.
- **Seeded.** Noise is repeatable here; on a device it comes from the operating system.

Each run again, with a seed of 0 to 4:
"""

_COST = """## What DP costs in time

Seconds of the median round, by the trainer `training=cohort` in one process of one thread: the same
net, the same number of steps and of windows in a step. Runs with DP and without take turns; the
ratio is that of their medians. A round with DP contains the debit in the ledger, synced to disk.
Measured by `python -m benchmarks.privacy.table --cost`.

Without DP the sites of a round are the groups of one convolution, which halves the time of `cnn1d`
against one site after another. With DP their batches are Poisson samples, of all sizes, and each
window's own gradient is formed: that takes what it took before, so the ratio grew.
"""

_CHECK = """## As good as centrally

All 60 000 training images of MNIST on one site, with net and settings of {source}. Its published
accuracy is {published}. Measured by `python -m benchmarks.privacy.mnist_check`, which runs
`{command}`.
"""

_EPSILONS = """
The published epsilon is {published:.3g}, for batches of 256 images. Ours is lower at the same
noise and delta, nearly all because the conversion from RDP is a newer one ({accountant}).
"""

_IMAGES = """
## Images

MNIST under DP by the recipe of Tramèr and Boneh (2021), a linear layer on features of a scattering
transform: they reach {published:.1%} at epsilon {epsilon:g}, for each image, with all images in one
place. Here the 60 000 training images lie on one site, or are divided at random; every site adds
the noise for its own images, so with more sites the mean of their updates has more of it.
[The recipe](explanation/privacy-recipe.md#images). Measured by
`python -m benchmarks.privacy.images`.
"""
_IMAGE_RATES = """\
The learning rates were chosen on training images alone, of which the last 10 000 were held out, by
`python -m benchmarks.privacy.image_rates` (seeds: {seeds}; commit {commit}):
"""
BEST_IMAGES = 0.987
"""The published accuracy (table 1 of the paper, MNIST)."""


def to_markdown(measured: Measured) -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    if measured == Measured():
        parts += ["Nothing has been measured yet.\n"]
    if measured.levels:
        parts += _levels(measured.levels)
    if measured.costs:
        parts += _costs(measured.costs)
    if measured.check:
        parts += _check(measured.check)
    if measured.images:
        parts += _images(measured.images, measured.rates)
    return "\n".join(parts)


def _levels(levels: Sequence[Level]) -> list[str]:
    heads = [
        *("epsilon at most", "accuracy, mean of seeds", "deviation", "least", "largest"),
        "figure to reach",
        *("epsilon per window, composed", "epsilon per reading", "noise multiplier"),
        *("rounds x steps", "seconds per run"),
    ]
    promises = [trial.promise for level in levels for trial in level.trials if trial.promise]
    parts = [table(heads, map(_level, levels)) + "\n"]
    if promises:
        parts += [_meaning(promises[0])]
    commands, machine = "\n".join(level.command for level in levels), levels[0].machine
    return [*parts, f"```sh\n{commands}\n```\n", f"Data: {machine['data']}.\n", _machine(machine)]


def _level(level: Level) -> list[str]:
    accuracies = [trial.accuracy for trial in level.trials]
    target = TARGETS.get(level.limit) if level.limit is not None else None
    return [
        "no DP" if level.limit is None else f"{level.limit:g}",
        f"**{level.mean:.3f}**",
        f"{level.deviation:.3f}",
        f"{min(accuracies):.3f}",
        f"{max(accuracies):.3f}",
        _verdict(level.mean, target),
        *_promised(level.trials[0]),
        f"{median(trial.wall_s for trial in level.trials):.0f}",
    ]


def _verdict(accuracy: float, target: float | None) -> str:
    if target is None:
        return "-"
    return f"{target:.2f}, {'reached' if accuracy >= target else 'missed'}"


def _promised(trial: Trial) -> list[str]:
    promise = trial.promise
    if promise is None:
        return ["none", "none", "none", f"{trial.rounds} x one pass"]
    return [
        f"{promise.epsilon:.2f}",
        f"{promise.epsilon_reading:.2f}",
        f"{promise.noise_multiplier:.2f}",
        f"{trial.rounds} x {promise.steps}",
    ]


def _meaning(promise: Promise) -> str:
    rate = promise.sampling_rate
    return _MEANING.format(
        delta=promise.delta,
        accountant=promise.accountant,
        share="all" if rate == 1 else f"a Poisson sample of {rate:.3g}",
        clip=promise.clip_norm,
    )


def _costs(costs: Sequence[Cost]) -> list[str]:
    heads = ["recipe", "a round is", "with DP, s", "without, s", "ratio", f"at most {MOST_COST:g}"]
    commands = "\n".join(text for cost in costs for text in cost.commands)
    return [
        _COST,
        table(heads, map(_cost, costs)) + "\n",
        _machine(costs[0].machine),
        f"```sh\n{commands}\n```\n",
    ]


def _cost(cost: Cost) -> list[str]:
    verdict = "reached" if cost.ratio <= MOST_COST else "missed"
    seconds = [_spread(cost.private_s), _spread(cost.plain_s)]
    return [f"`{cost.name}`", cost.work, *seconds, f"**{cost.ratio:.2f}**", verdict]


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.3f} ({min(seconds):.3f} to {max(seconds):.3f})"


def _machine(machine: Facts) -> str:
    named = ("processor", "cores", "torch", "commit", "load_at_start")
    facts = ", ".join(f"{name.replace('_', ' ')} {machine[name]}" for name in named)
    return f"Machine: {facts}.\n"


def _check(check: Check) -> list[str]:
    published, promise = check.published, check.trials[0].promise
    assert promise is not None
    heads = ["seed", "accuracy", "epsilon for an image, composed"]
    heads += ["noise multiplier", "clip", "steps", "s"]
    accuracies = [trial.accuracy for trial in check.trials]
    spread = f" (standard deviation {stdev(accuracies) * 100:.2f})" if len(accuracies) > 1 else ""
    apart = check.mean - published.mean
    within = "within" if apart >= -LARGEST_DIFFERENCE else "not within"
    return [
        _CHECK.format(
            source=published.source,
            published=f"{published.mean:.2%} (standard deviation {published.deviation * 100:.2f}"
            f" over {published.runs} runs)",
            command=check.command,
        ),
        table(heads, map(_checked, check.trials)) + "\n",
        f"Ours: {check.mean:.2%} on average{spread}, {apart * 100:+.2f} points from the published"
        f" one: {within} {LARGEST_DIFFERENCE * 100:g} points.",
        _EPSILONS.format(published=published.epsilon, accountant=promise.accountant),
    ]


def _images(levels: Sequence[Level], rates: Sequence[RateTrial]) -> list[str]:
    heads = ["command", "accuracy, mean", "deviation", "seeds", "from the published, points"]
    heads += ["epsilon, composed", "noise multiplier", "steps on a site", "s"]
    promise = levels[0].trials[0].promise
    assert promise is not None
    return [
        _IMAGES.format(published=BEST_IMAGES, epsilon=promise.limit),
        table(heads, map(_image_level, levels)) + "\n",
        *dict.fromkeys(_machine(level.machine) for level in levels),
        *(_image_rates(rates) if rates else []),
    ]


def _image_rates(rates: Sequence[RateTrial]) -> list[str]:
    heads = ["sites", "learning rate", "accuracy on the held-out training images"]
    rows = [[f"{one.sites}", f"{one.rate:g}", f"{one.accuracy:.2%}"] for one in rates]
    return [
        _IMAGE_RATES.format(seeds=rates[0].seeds, commit=rates[0].commit),
        table(heads, rows) + "\n",
    ]


def _image_level(level: Level) -> list[str]:
    trial = level.trials[0]
    promise = trial.promise
    assert promise is not None
    return [
        f"`{level.command}`",
        f"**{level.mean:.2%}**",
        f"{level.deviation * 100:.2f}" if len(level.trials) > 1 else "-",
        f"{len(level.trials)}",
        f"{(level.mean - BEST_IMAGES) * 100:+.2f}",
        f"{promise.epsilon:.2f} at delta {promise.delta:g}",
        f"{promise.noise_multiplier:.3g}",
        f"{trial.rounds * promise.steps}, rate 1/{1 / promise.sampling_rate:.0f}",
        f"{median(trial.wall_s for trial in level.trials):.0f}",
    ]


def _checked(trial: Trial) -> list[str]:
    promise = trial.promise
    assert promise is not None
    return [
        f"{trial.seed}",
        f"{trial.accuracy:.2%}",
        f"{promise.epsilon:.3f} at delta {promise.delta:g}",
        f"{promise.noise_multiplier:g}",
        f"{promise.clip_norm:g}",
        f"{trial.rounds * promise.steps}, rate 1/{1 / promise.sampling_rate:.0f}",
        f"{trial.wall_s:.0f}",
    ]
