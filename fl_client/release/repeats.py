"""The last update that each site sent, to detect one that would be sent again for another round."""

from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate


class ReleaseHistory:
    """Detects a noised update that would leave again: its noise was not drawn for this round.

    Keeps one digest for each site in memory. A seeded round that is repeated sends the same update
    and releases nothing new.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, int]] = {}

    def check(self, update: LocalUpdate, plan: RunPlan) -> None:
        """Raise PrivacyViolation if ``update`` is the one that its site sent last."""
        if plan.privacy.noise_added_by != "site":
            return
        digest = params.digest(update.delta)
        last_digest, last_round = self._last.get(update.site, ("", 0))
        repeats = plan.seed is not None and update.round == last_round
        if digest == last_digest and not repeats:
            raise PrivacyViolation(
                f"the update of round {update.round} is the one that was sent for round"
                f" {last_round}: its noise is not fresh. The update is withheld."
            )
        self._last[update.site] = digest, update.round
