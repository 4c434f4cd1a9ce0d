"""Faults of noise, clipping and sampling."""

from tests.mutants.plant import Plant

_SOUND = (
    "tests/scenarios/test_audit_mechanism.py"
    "::test_a_sound_mechanism_passes_all_of_them[seed=null-{}]"
)
_AUDITED = (_SOUND.format("cohort"),)
_BY_OPACUS = (_SOUND.format("opacus"),)
_DEVICE = ("tests/attacks/test_repeating_generator.py::test_a_sound_device_sends_every_round",)
_REPEATING = "tests/attacks/test_repeating_generator.py::"

NOISE = (
    Plant(
        "half the noise",
        "fl_common/privacy/grid.py",
        "return self.noise_multiplier * self.clip_norm / self.step",
        "return self.noise_multiplier * self.clip_norm / self.step / 2",
        _AUDITED,
    ),
    Plant(
        "noise that is not on the grid",
        "fl_common/privacy/grid.py",
        "whole += np.rint(np.multiply(normals, self.noise_steps, dtype=np.float64))",
        "whole += np.multiply(normals, self.noise_steps, dtype=np.float64)",
        ("tests/attacks/test_low_order_bits.py",),
    ),
    Plant(
        "no noise on an empty batch",
        "fl_client/training/stacked/local_round.py",
        "normals_P = noise.standard_normal(sum_P.numel())\n",
        "normals_P = noise.standard_normal(sum_P.numel()) * bool(sum_P.any())\n",
        _AUDITED,
    ),
    Plant(
        "a system generator that repeats itself",
        "fl_common/privacy/noise.py",
        "os.urandom(16 * pairs)",
        "__import__('random').Random(1).randbytes(16 * pairs)",
        _DEVICE,
    ),
    Plant(
        "a fixed seed on a device",
        "fl_client/training/randomness.py",
        "    if plan.seed is None:\n        return SystemNoise()",
        "    if plan.seed is None:\n        return SeededNoise(42)",
        _DEVICE,
    ),
    Plant(
        "every second round's noise again",
        "fl_client/training/randomness.py",
        "        return SystemNoise()\n",
        "        return SystemNoise() if round_ % 2 else SeededNoise(42)\n",
        _DEVICE,
    ),
    Plant(
        "a seed that forgets the round",
        "fl_client/training/randomness.py",
        'derive_seed(plan.seed, "noise", site, round_)',
        'derive_seed(plan.seed, "noise", site)',
        ("tests/unit/fl_client/training/test_opacus.py", "tests/scenarios/test_federation.py"),
    ),
    Plant(
        "draws that nobody compares",
        "fl_common/privacy/draws.py",
        "        elif drawn_for is None or self._drawn_for[digest] != drawn_for:",
        "        elif False:",
        (_REPEATING + "test_a_fixed_seed_on_a_device",),
    ),
    Plant(
        "draws that a restart forgets",
        "fl_client/release/drawn.py",
        "        history.learn(self._news())",
        "        self._news()",
        (_REPEATING + "test_a_generator_that_begins_anew_at_each_start",),
    ),
    Plant(
        "half the noise on counts",
        "fl_common/privacy/evaluation.py",
        "return self.noise_multiplier * self.sensitivity",
        "return self.noise_multiplier * self.sensitivity / 2",
        _AUDITED,
    ),
    Plant(
        "a survey without noise",
        "fl_client/training/surveys.py",
        "result_CB: Doubles = noised_CB / mechanism.expected_batch",
        "result_CB: Doubles = votes_CB * grid.bound / mechanism.expected_batch",
        ("tests/attacks/test_survey.py",),
    ),
    Plant(
        "a reading that votes more than once",
        "fl_common/privacy/quantiles.py",
        "return sums_CB / max(values, 1) if windows else sums_CB",
        "return sums_CB",
        ("tests/unit/fl_common/privacy/test_quantiles.py",),
    ),
)

MECHANISM = (
    Plant(
        "one clip factor for all windows (cohort)",
        "fl_client/training/stacked/network.py",
        "return (clip_norm / (norms + _OPACUS_STABILITY)).clamp(max=1.0)",
        "return (clip_norm / (norms.mean() + _OPACUS_STABILITY)).clamp(max=1.0).expand_as(norms)",
        ("tests/laws/test_clipping.py",),
    ),
    Plant(
        "gradients that are not clipped (Opacus)",
        "fl_client/training/opacus.py",
        "max_grad_norm=self._grid.bound",
        "max_grad_norm=1000 * self._grid.bound",
        _BY_OPACUS,
    ),
    Plant(
        "batches shuffled instead of sampled",
        "fl_client/training/randomness.py",
        "(torch.rand(windows, generator=generator) < rate for",
        "(torch.rand(windows, generator=generator).argsort() < rate * windows for",
        _AUDITED,
    ),
    Plant(
        "batches that no trainer checks",
        "fl_client/training/poisson.py",
        "    steps, rate = plan.steps, plan.sampling_rate\n    if len(batches)",
        "    steps, rate = plan.steps, plan.sampling_rate\n    return\n    if len(batches)",
        ("tests/unit/fl_client/training/test_poisson.py",),
    ),
    Plant(
        "a divisor of the site's own",
        "fl_client/training/stacked/local_round.py",
        "sums_SP.div_(self._plan.expected_batch)",
        "sums_SP.div_(max(1, max(sizes)))",
        ("tests/attacks/test_divisor.py",),
    ),
    Plant(
        "a gradient that is not finite counts",
        "fl_client/training/stacked/gradients.py",
        "return (~torch.isfinite(squared_norms)).nonzero().flatten()",
        "return (~torch.isfinite(squared_norms)).nonzero().flatten()[:0]",
        ("tests/attacks/test_hostile_parameters.py",),
    ),
    Plant(
        "a loss that is not cut",
        "fl_client/site/evaluation.py",
        "np.nan_to_num(loss_N, nan=limit).clip(0.0, limit)",
        "np.nan_to_num(loss_N, nan=limit).clip(0.0, 2 * limit)",
        _AUDITED,
    ),
    Plant(
        "a network that mixes windows",
        "fl_client/training/private_nets.py",
        "    if mixes_windows(net, task):",
        "    if False and mixes_windows(net, task):",
        ("tests/attacks/test_mixing_net.py",),
    ),
)
