"""The last step before an update leaves: compress what may already leave.

Compression is post-processing of a released update. It comes after clipping, noise and all their
checks, and reads no private data; the residual that it adds is made of released updates, too. So it
costs no privacy.
"""

import logging
from dataclasses import replace

import numpy as np

from fl_client.release.residuals import Residuals
from fl_client.training.randomness import derive_seed
from fl_common.compression.quantisation import NEAREST, Compression, PackedDelta, layout_of, pack
from fl_common.plan import RunPlan
from fl_common.vocabulary import Floats, LocalUpdate, Parameters, Refusal, RefusalReason

_logger = logging.getLogger(__name__)


def compress(update: LocalUpdate, plan: RunPlan, residuals: Residuals) -> LocalUpdate | Refusal:
    """Compress ``update``, which may leave, by ``plan``; a refusal if it can't be compressed.

    Under DP it is charged, and leaves whatever happens: without what earlier rounds left out if
    that can't be used, and as zeros where its own numbers can't be packed.
    """
    if plan.compression is None:
        return update
    try:
        return replace(update, delta=_packed(update, plan, plan.compression, residuals))
    except (OSError, OverflowError) as error:
        if plan.privacy.guarantee is not None:
            _logger.error("site %s: what is left out can't be kept: %s", update.site, error)
            return replace(update, delta=_alone(update.delta, plan.compression))
        _logger.error("site %s: the update can't be compressed: %s", update.site, error)
        detail = "the update can't be compressed, as the site's own log describes"
        return Refusal(update.site, update.run, update.round, RefusalReason.TRAINING, detail)


def _alone(delta: Parameters, compression: Compression) -> PackedDelta:
    """``delta`` by itself, or zeros of its form."""
    try:
        return pack(delta, compression, NEAREST)
    except OverflowError:
        zeros = {name: np.zeros_like(array) for name, array in delta.items()}
        return pack(zeros, compression, NEAREST)


def _packed(
    update: LocalUpdate, plan: RunPlan, compression: Compression, residuals: Residuals
) -> PackedDelta:
    site, round_ = update.site, update.round
    if not compression.keeps_rest:
        seed = None if plan.seed is None else derive_seed(plan.seed, "rounding", site, round_)
        return pack(update.delta, compression, np.random.default_rng(seed))
    flat_E = _flat(update.delta)
    before_E = residuals.before(site, plan, round_, flat_E.size)
    with np.errstate(over="ignore"):
        wanted_E = flat_E + before_E
    if not np.isfinite(wanted_E).all():
        raise OverflowError("with what was left out before it passes the range of float32")
    packed = pack(_named(wanted_E, update.delta), compression, NEAREST)
    residuals.keep(site, plan, round_, before_E, wanted_E - _flat(packed))
    return packed


def _flat(parameters: Parameters) -> Floats:
    return np.concatenate([array.reshape(-1) for array in parameters.values()])


def _named(flat_E: Floats, like: Parameters) -> Parameters:
    """The entries of ``flat_E`` under the names and shapes of ``like``."""
    shapes = layout_of(like)
    ends = np.cumsum([array.size for array in like.values()])[:-1]
    parts = zip(shapes.items(), np.split(flat_E, ends), strict=True)
    return {name: part_E.reshape(shape) for (name, shape), part_E in parts}
