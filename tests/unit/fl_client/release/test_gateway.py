"""What a refusal may say: its own words where the plan is public, else a fixed sentence."""

import pytest

from fl_client.release.gateway import SENTENCES, is_public, release_evaluation, release_refusal
from fl_client.release.gateway import release_update as release
from fl_common import params
from fl_common.plan import Instruction
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import Evaluation, LocalUpdate, Refusal, RefusalReason
from models.nets import build_net, parameters_of
from tests.support import samples

DETAIL = "37 windows of ward-7: labels from 0 to 9"


def instruction(privacy: PrivacyPlan) -> Instruction:
    plan = samples.plan(privacy)
    return Instruction(plan, 2, parameters_of(build_net(plan.net, plan.task)))


def refusal(reason: RefusalReason) -> Refusal:
    return Refusal("anna", "run", 2, reason, DETAIL)


@pytest.mark.parametrize("reason", RefusalReason)
@pytest.mark.parametrize("privacy", [samples.WINDOW_PRIVACY, NoPrivacy(weights="uniform")])
def test_words_stay_in_the_sites_log_unless_the_plan_is_public(
    reason: RefusalReason, privacy: PrivacyPlan, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fl_client")
    released = release_refusal(refusal(reason), instruction(privacy))
    assert released == Refusal("anna", "run", 2, reason, SENTENCES[reason])
    assert DETAIL in caplog.text
    assert str(reason) in caplog.text


def test_under_a_public_plan_a_refusal_speaks_for_itself() -> None:
    assert is_public(samples.plan(samples.PUBLIC))
    given = refusal(RefusalReason.DATA)
    assert release_refusal(given, instruction(samples.PUBLIC)) == given


def test_each_reason_has_a_sentence_with_a_remedy_and_no_number() -> None:
    assert set(SENTENCES) == set(RefusalReason)
    for sentence in SENTENCES.values():
        assert not any(letter.isdigit() for letter in sentence)
        assert sentence.endswith(".")
        assert ". " in sentence


def test_a_weight_that_is_not_declared_is_not_told_either() -> None:
    asked = instruction(samples.WINDOW_PRIVACY)
    delta = params.scale(asked.parameters, 0.0)
    released = release(LocalUpdate("anna", "run", 2, delta, weight=37.0), asked)
    assert isinstance(released, Refusal)
    assert "37" not in released.detail


def test_exact_counts_of_an_evaluation_leave_under_a_public_plan_alone() -> None:
    counts = Evaluation(30.0, 37.0, 12.5)
    assert release_evaluation(counts, "anna", instruction(samples.PUBLIC)) == counts
    for privacy in (samples.WINDOW_PRIVACY, NoPrivacy(weights="uniform")):
        released = release_evaluation(counts, "anna", instruction(privacy))
        assert isinstance(released, Refusal)
        assert released.detail == SENTENCES[RefusalReason.PLAN]
