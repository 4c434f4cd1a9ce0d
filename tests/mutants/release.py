"""Faults of what is charged, said and counted on a site."""

from tests.mutants.plant import Plant

_EACH_KIND = "tests/scenarios/test_box_of_each_kind.py::"
_SHADOW = ("tests/laws/test_shadow.py::test_each_window_is_judged_alone",)

ACCOUNTING = (
    Plant(
        "the charge of one step instead of all",
        "fl_common/privacy/mechanisms.py",
        "return Spend(self.noise_multiplier, self.sampling_rate, self.steps)",
        "return Spend(self.noise_multiplier, self.sampling_rate, 1)",
        (
            "tests/laws/test_plans.py",
            "tests/unit/fl_common/privacy",
            "tests/attacks/test_ledger_tampering.py",
        ),
    ),
    Plant(
        "the charge after the data are read",
        "fl_client/site/participation.py",
        "        debits = self._debit(charges)\n",
        "        [site.training_windows() for site, _ in requests]\n"
        "        debits = self._debit(charges)\n",
        ("tests/attacks/test_hostile_server.py::test_a_spent_budget_is_refused_whatever_the_data",),
    ),
    Plant(
        "a reading that others are to tell counts in no window",
        "fl_client/windows/grid.py",
        "    reach = task.window_shape[0] + kind_of(task).ahead\n",
        "    reach = task.window_shape[0]\n",
        (_EACH_KIND + "test_it_takes_part_only_where_the_plan_counts_all_windows_of_a_reading",),
    ),
    Plant(
        "a held-out reading that others are trained to tell",
        "fl_client/windows/split.py",
        "Grid(task, slicing).reach_ns",
        "Grid(task, slicing).span_ns",
        ("tests/laws/test_window_truths.py",),
    ),
    Plant(
        "an anomaly that is trained on",
        "fl_client/site/box.py",
        "windows if teaches_N.all() else windows.take(teaches_N)",
        "windows",
        (_EACH_KIND + "test_it_trains_on_what_its_windows_stand_for_and_counts_what_is_held_out",),
    ),
    Plant(
        "a charge whose numbers nobody checks",
        "fl_client/ledger/charge.py",
        "        try:\n            for name, rule in _RULES.items():",
        "        return\n        try:\n            for name, rule in _RULES.items():",
        ("tests/attacks/test_ledger_tampering.py",),
    ),
    Plant(
        "the owner's limit is not the ledger's",
        "fl_client/ledger/debit.py",
        "    if owner is None:\n        return\n",
        "    if True:\n        return\n",
        ("tests/attacks/test_two_units.py",),
    ),
    Plant(
        "a plan beyond the owner's epsilon",
        "fl_client/site/policy.py",
        "    if given > most:",
        "    if given > 100 * most:",
        ("tests/unit/fl_client/site/test_policy.py",),
    ),
    Plant(
        "a seed on a box",
        "fl_client/site/box.py",
        'if plan.seed is not None and plan.privacy.noise_added_by == "site":',
        'if plan.seed == 0 and plan.privacy.noise_added_by == "site":',
        ("tests/scenarios/test_box_training.py",),
    ),
    Plant(
        "a ledger that was put back",
        "fl_client/ledger/ledger.py",
        "        if self._seen and is_behind(",
        "        if False and is_behind(",
        ("tests/attacks/test_ledger_put_back.py",),
    ),
)

WORDS = (
    Plant(
        "training that fails is told",
        "fl_client/site/charged_training.py",
        "    return is_charged and failed\n",
        "    return False\n",
        (
            "tests/attacks/test_hostile_server.py"
            "::test_training_that_fails_after_the_charge_is_an_update_of_noise_alone",
        ),
    ),
    Plant(
        "a refusal in own words under DP",
        "fl_client/release/gateway.py",
        "    if is_public(instruction.plan) and reason",
        "    if reason",
        ("tests/unit/fl_client/release/test_gateway.py",),
    ),
    Plant(
        "an exception's text that is sent",
        "fl_client/app.py",
        "        raise SiteFailure(failure.SENTENCE) from None",
        "        raise",
        ("tests/attacks/test_error_replies.py",),
    ),
    Plant(
        "exact counts under DP",
        "fl_client/release/gateway.py",
        "    if is_public(plan):\n        return counts\n",
        "    if plan.evaluation is None or is_public(plan):\n        return counts\n",
        ("tests/laws/test_evaluation.py",),
    ),
    Plant(
        "a weight that counts windows under DP",
        "fl_client/release/gateway.py",
        'if weights == "uniform" and update.weight != 1.0:',
        'if weights == "none" and update.weight != 1.0:',
        ("tests/unit/fl_client/release/test_gateway.py",),
    ),
    Plant(
        "an answer that leaves when it is ready",
        "fl_client/release/schedule.py",
        "        self._wait(max(0.0, began + end - self._clock()))",
        "        self._wait(0.0)",
        ("tests/unit/fl_client/release/test_schedule.py",),
    ),
    Plant(
        "an answer that a server's deadline moves without end",
        "fl_client/release/schedule.py",
        "if slot > last and moved < _MOST_MOVED:",
        "if slot > last:",
        ("tests/unit/fl_client/release/test_schedule.py",),
    ),
)

SHADOW = (
    Plant(
        "one failing window stops the counts",
        "fl_client/components/comparison.py",
        "    except Exception as error:  # whatever a model does",
        "    except OSError as error:  # whatever a model does",
        _SHADOW,
    ),
    Plant(
        "windows are judged in one batch",
        "fl_client/components/comparison.py",
        "np.split(values_N, len(values_N))",
        "[values_N.max(0, keepdims=True)] * len(values_N)",
        _SHADOW,
    ),
    Plant(
        "a session that the next window uses, too",
        "fl_client/inference/task_checks.py",
        "    model, kind = OnnxModel(content, threads=1), kind_of(task)\n    answer_1D",
        "    kept = globals().setdefault('_KEPT', {})\n"
        "    model, kind = kept.get(content) or OnnxModel(content, threads=1), kind_of(task)\n"
        "    kept[content] = model\n    answer_1D",
        _SHADOW,
    ),
    Plant(
        "what is compared depends on what has run",
        "fl_client/components/subscription.py",
        "        if len({component.digest for component in components}) < len(offers):",
        "        if self.rollout.record.failed or len(components) < len(offers):",
        ("tests/laws/test_shadow.py::test_one_window_moves_what_is_told_by_its_own_result",),
    ),
)
