"""What a site-level plan promises, in the words of the report."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fl_common.privacy.mechanisms import UpdateMechanism
from fl_common.privacy.unit import Guarantee
from simulate.report.wording import odds_text


class Promise(NamedTuple):
    """What is promised, what it means, what is not promised, and how it is kept."""

    promise: str
    meaning: str
    limits: str
    how: str


def site_promise(
    guarantee: Guarantee, mechanism: UpdateMechanism, summary: Mapping[str, Any]
) -> Promise:
    """The guarantee of a run that noises whole updates, with the figures of ``summary``."""
    by_server = mechanism.noise == "server"
    epsilon, delta = summary["epsilon"], summary["delta"]
    released = "All global models" if by_server else "All that a site sent"
    promise = (
        f"{released}, in this run and in others on the same ledger, are (ε, δ)-differentially"
        f" private for each site as a whole: ε = {epsilon:.3g} at δ = {delta:g}, and the limit is"
        f" {guarantee.epsilon_limit:g}."
    )
    against = (
        "This holds against anyone who sees the global models. The server is trusted: it sees each"
        " site's update and who took part, and adds the noise. Keep its records private; the"
        " model may be published."
        if by_server
        else "This holds against anyone who sees the updates, including the server, since each site"
        " clips and adds noise before anything leaves. Participation is not secret."
    )
    meaning = (
        f"Adding or removing all data of any one site makes no result more than e^ε ="
        f" {odds_text(epsilon)} times as likely, except with probability δ. {against}"
    )
    limits = (
        "The guarantee does not cover the test windows, from which the figures below were computed,"
        " nor people whose data are on several sites."
    )
    return Promise(promise, meaning, limits, _how(mechanism, summary))


def _how(mechanism: UpdateMechanism, summary: Mapping[str, Any]) -> str:
    rate = f"{mechanism.participation:.4g} of {mechanism.population:,} sites in a round on average"
    clipping = f"clip norm {mechanism.clip_norm:g} on a site's whole update"
    if adaptive := mechanism.adaptive_clipping:
        clipping += (
            f" at first, then at the {adaptive.target_quantile:g} quantile of the updates' norms,"
            f" with noise {adaptive.bit_noise:.3g} on the number below it"
        )
    adds = "the server" if mechanism.noise == "server" else "each site"
    return (
        f"Accountant: {summary['accountant']}. Noise multiplier {mechanism.noise_multiplier:.4g},"
        f" added by {adds}, {clipping}, {rate}."
    )
