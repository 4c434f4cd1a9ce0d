"""A component's history in words: where it comes from, and how good it was."""

import math

from fl_server.repository.commands.history import _origin


def test_a_run_s_model_is_told_with_the_measures_that_are_known() -> None:
    metrics = {"accuracy": 0.95, "balanced_accuracy": 0.5, "macro_f1": None, "loss": 0.25}
    trained, published = _origin({"run": "r1", "rounds": 3, "sites": 2, "metrics": metrics})
    assert trained.startswith("Trained by run r1 in 3 rounds on 2 sites")
    assert published == ("When it was published: accuracy 0.95, balanced accuracy 0.5, loss 0.25.")
    assert len(_origin({"run": "r1"})) == 1
    assert len(_origin({"run": "r1", "metrics": {"accuracy": math.nan, "loss": None}})) == 1
