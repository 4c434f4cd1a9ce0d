"""What a survey's record says of what its phases have found."""

import numpy as np

from fl_common.privacy.quantiles import votes
from fl_common.vocabulary import Parameters
from fl_server.rounds.survey import PHASES, Zoom, scaled_by, survey_plan
from models.nets import build_net, parameters_of
from models.nets.survey import COUNTS, EDGES, FOUND, KNOWN, NOISY, ROUGH
from tests.support import samples

PLAN = survey_plan(samples.plan(), 0.5, "before")


def test_the_record_says_where_noise_may_have_a_spread_far_off() -> None:
    parameters = parameters_of(build_net(PLAN.net, PLAN.task))
    parameters[FOUND][:] = [[0.0, 1.0, NOISY], [0.0, 1.0, ROUGH], *[[0.0, 1.0, KNOWN]] * 9][
        : len(parameters[FOUND])
    ]
    _, record = scaled_by(PLAN, parameters, PLAN.task)
    assert (record.channels_rough, record.channels_noisy) == (1, 1)
    assert "noise may have the spread of 1 more than 3 times off" in str(record)


def test_the_record_says_where_a_spread_is_an_order_of_magnitude_only() -> None:
    values_NTC = np.random.default_rng(0).normal(size=(500, *PLAN.task.window_shape))
    values_NTC[:, :, 0] = 518.67
    zoom, parameters = Zoom(0.0), parameters_of(build_net(PLAN.net, PLAN.task))
    state = zoom.initial(parameters)
    for _ in range(PHASES):
        counts_CB = votes(values_NTC, parameters[EDGES]).astype(np.float32)
        delta: Parameters = {**parameters, COUNTS: counts_CB}
        parameters, state = zoom.step(parameters, delta, state)
    _, record = scaled_by(PLAN, parameters, PLAN.task)
    assert (record.channels_found, record.channels_rough) == (2, 1)
    assert "the spread of 1 is an order of magnitude only" in str(record)
    assert record.published()["channels_rough"] == 1
