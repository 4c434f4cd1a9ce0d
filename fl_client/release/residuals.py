"""What compression left out of an update, kept on the site for its next one (error feedback).

One file for each site, beside the ledger: any process can answer a round, and a resumed run repeats
its updates. Under DP the residual is made of noised releases only, so that to lose or to repeat it
costs no privacy. Without DP it is private, and stays where the windows are. It is used only under
the plan that it was made under: nothing without noise gets into a run with DP.
"""

import hashlib
import logging
from pathlib import Path

import numpy as np

from fl_common.errors import InvalidData
from fl_common.files.packed import read_npz
from fl_common.files.whole import OWNER_ONLY, whole_file
from fl_common.plan import RunPlan
from fl_common.vocabulary import Floats

_MOST_BYTES = 1 << 16
"""Of a file, beside its vectors."""
_logger = logging.getLogger(__name__)


class Residuals:
    """The residual of each site, a vector over all entries of an update, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before(self, site: str, plan: RunPlan, round_: int, size: int) -> Floats:
        """What earlier rounds of the run left out, shape (size,).

        Zeros if there were none, or if the file can't be used, which costs only accuracy.
        """
        zeros = np.zeros(size, np.float32)
        path = self._path(site)
        if not path.exists():
            return zeros
        try:
            kept = read_npz(path, _MOST_BYTES + 3 * size * 4)
            if str(kept["plan"]) != plan.digest() or round_ < int(kept["round"]):
                return zeros
            repeated = round_ == int(kept["round"])
            rest_E: Floats = kept["before_E" if repeated else "after_E"]
        except (InvalidData, ValueError, KeyError, TypeError) as error:
            _logger.warning(
                "site %s: %s can't be read, and is replaced by zeros: %s", site, path, error
            )
            return zeros
        fits = rest_E.shape == (size,) and rest_E.dtype == np.float32 and np.isfinite(rest_E).all()
        return rest_E if fits else zeros

    def keep(
        self, site: str, plan: RunPlan, round_: int, before_E: Floats, after_E: Floats
    ) -> None:
        """Store the residual before and after ``round_``, to repeat it and for the next round.

        Raises:
            OSError: it could not be written; the old file stays.
        """
        with whole_file(self._path(site), OWNER_ONLY) as file:
            np.savez(file, plan=plan.digest(), round=round_, before_E=before_E, after_E=after_E)

    def _path(self, site: str) -> Path:
        return self._folder / f"{hashlib.sha256(site.encode()).hexdigest()[:32]}.npz"
