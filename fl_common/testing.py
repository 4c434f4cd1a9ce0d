"""The contract of a function, as a check that its author runs in his own tests.

Not for use outside tests: an assertion that fails says what is wrong. The contracts of networks,
decoders, aggregators and worlds are in ``models.testing``, ``fl_client.testing``,
``fl_server.testing`` and ``simulate.testing``.
"""

from collections.abc import Callable, Sequence

from fl_common.functions import Function, FunctionEvent, events_of, fixed_predictions
from fl_common.plugins.kinds import FUNCTION, check_extension


def check_function(make: Callable[[], Function], labels: Sequence[str]) -> None:
    """Check that a new function of ``make`` gives events that travel, and the same ones again.

    Raises:
        AssertionError: what does not hold.
        InvalidConfiguration: it makes no function.
    """
    check_extension(FUNCTION, make())
    function = make()
    for predicted in fixed_predictions(labels):
        for event in function(predicted):
            kind = type(event).__name__
            assert isinstance(event, FunctionEvent), f"gives {kind}, not FunctionEvent"
    try:
        first, again = (events_of(make(), fixed_predictions(labels)) for _ in "12")
    except (TypeError, ValueError) as error:
        raise AssertionError(f"an event's data are not JSON ({error})") from error
    assert first == again, "a new function finds something else in the same predictions"
