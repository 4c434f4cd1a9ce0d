"""What is looked up of a node's parts that tell nothing by themselves."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from fl_client.functions.label_change import LabelChange
from fl_client.inference.prediction import EngineStatus
from fl_client.node.report import Report
from fl_client.node.watch import look_at_fields, look_at_functions, look_at_model
from fl_common.functions import FunctionEvent, Predicted
from fl_common.programs.troubles import Troubles
from tests.support.function_hosts import functions_of


def engine(digest: str | None, wanted: str | None, trouble: str | None) -> EngineStatus:
    return EngineStatus(digest, wanted, trouble, swaps=0, failed_loads=0, fallbacks=0)


def causes(troubles: Troubles) -> list[str]:
    return [f"{trouble.part}: {trouble.cause}" for trouble in troubles.current()]


def test_a_wanted_model_that_was_refused_is_a_trouble_though_another_serves() -> None:
    troubles = Troubles()
    for digest in ("a" * 64, None):
        look_at_model(engine(digest, "b" * 64, "has no input."), troubles)
        assert causes(troubles) == ["model: bbbbbbbbbbbb was refused and is not used: has no input"]
    look_at_model(engine("b" * 64, "b" * 64, None), troubles)
    assert causes(troubles) == []


def test_a_box_without_a_model_is_in_trouble() -> None:
    troubles = Troubles()
    look_at_model(engine(None, None, None), troubles)
    assert causes(troubles) == ["model: no model serves"]
    look_at_model(engine(None, "b" * 64, None), troubles)
    assert causes(troubles) == ["model: bbbbbbbbbbbb is being tried, and none serves yet"]


def test_a_field_that_never_comes_is_a_trouble_until_it_does() -> None:
    troubles = Troubles()
    look_at_fields({"watch": (), "door": ("contact", "Battery")}, troubles)
    found = "fields of sensor door: no message had contact, Battery, and windows need every channel"
    assert causes(troubles) == [found]
    look_at_fields({"watch": (), "door": ()}, troubles)
    assert causes(troubles) == []


def test_a_function_that_is_shown_no_window_is_a_trouble_that_says_until_when() -> None:
    functions, troubles = functions_of({"change": partial(LabelChange, 1)}, 3), Troubles()

    def show(start_s: float) -> list[str]:
        start_ns = int(start_s * 1e9)
        functions(Predicted(start_ns, start_ns + 1, ("rest", "walk"), (0.9, 0.1)))
        look_at_functions(functions, troubles)
        return causes(troubles)

    assert show(7200.0) == []
    assert [show(3700.0 + number) for number in range(9)] == [[]] * 9
    (told,) = show(3720.0)
    assert told.startswith("function change: is shown no window")
    assert "1970-01-01 02:00:00 UTC" in told
    assert show(7201.0) == []


def test_a_disabled_function_is_a_trouble_that_says_what_failed_first() -> None:
    def broken(predicted: Predicted) -> Iterable[FunctionEvent]:
        raise ValueError("no such label")

    functions, troubles = functions_of({"alarm": lambda: broken}, 1), Troubles()
    functions(Predicted(0, 1, ("rest", "walk"), (0.9, 0.1)))
    look_at_functions(functions, troubles)
    (told,) = causes(troubles)
    assert told.startswith("function alarm: it is disabled: it failed once, first: ValueError: no")


def test_a_function_that_waits_for_one_that_does_not_run_is_a_trouble() -> None:
    functions, troubles = functions_of({"change": partial(LabelChange, 1)}, 3), Troubles()
    (source,) = (named.source for named in functions._running.values())
    functions.use("last", replace(source, on=(("happening", "first/alarm"),)))
    look_at_functions(functions, troubles)
    assert causes(troubles) == ["function last: takes the events of first, which does not run here"]
    functions.use("first", source)
    look_at_functions(functions, troubles)
    assert causes(troubles) == []


def test_one_that_is_disabled_in_a_chain_is_told_with_those_that_wait_for_it() -> None:
    def broken(predicted: Predicted) -> Iterable[FunctionEvent]:
        raise ValueError

    change = partial(LabelChange, 1)
    functions = functions_of({"first": change, "middle": lambda: broken, "last": change}, 1)
    sources = {name: named.source for name, named in functions._running.items()}
    functions.use("last", replace(sources["last"], on=(("happening", "middle"),)))
    for start in (0, 2):
        shown = functions(Predicted(start, start + 1, ("rest", "walk"), (0.9, 0.1)))
    assert [name for name, _ in shown.found] == []
    assert functions.tally.calls["middle", "left_out"] == 1
    look_at_functions(functions, troubles := Troubles())
    middle, last = causes(troubles)
    assert middle.startswith("function middle: it is disabled")
    assert last == "function last: takes the events of middle, which does not run here"
    assert "disabled first" in troubles.current()[1].remedy


class Reported(Report):
    """A report of the parts that a test names."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts

    def health(self) -> list[dict[str, str]]:
        """See ``Report``."""
        return [{"part": part} for part in self._parts]


def test_a_server_does_not_learn_whether_training_failed() -> None:
    assert Reported().is_well()
    assert Reported("training", "training data").is_well()
    assert not Reported("training data", "store").is_well()
