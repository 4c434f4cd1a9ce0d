"""The updates that each site sent, to detect one that would be sent again for another round."""

from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate


class ReleaseHistory:
    """Detects a noised update that would leave again: its noise was not drawn for this round.

    Keeps a digest of each update in memory. A seeded round that is repeated sends the same update
    and releases nothing new.
    """

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], int] = {}

    def check(self, update: LocalUpdate, plan: RunPlan) -> None:
        """Raise PrivacyViolation if ``update`` was sent by its site for another round."""
        if plan.privacy.noise_added_by != "site":
            return
        sent = update.site, params.digest(update.delta)
        round_ = self._sent.get(sent)
        if round_ is None:
            self._sent[sent] = update.round
        elif plan.seed is None or round_ != update.round:
            raise PrivacyViolation(
                f"the update of round {update.round} is the one that was sent for round"
                f" {round_}: its noise is not fresh. The update is withheld."
            )
