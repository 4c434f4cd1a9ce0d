"""What a compressed update left out, kept on the site for its next one (error feedback).

A file for each site, beside the ledger, so that it does not matter which process answers a round
and a run that resumes repeats its updates. It holds what is left after compressing an update that
could leave as a whole: under DP it is made of noised releases alone, and losing or repeating it
neither spends nor saves privacy. Without DP it is private, and stays where the windows are. It is
used under the plan that it was made under and under no other: nothing that was never noised gets
into a run with DP.
"""

import hashlib
import logging
import zipfile
from pathlib import Path

import numpy as np

from fl_common.files import OWNER_ONLY, whole_file
from fl_common.plan import RunPlan
from fl_common.vocabulary import Floats

_logger = logging.getLogger(__name__)


class Residuals:
    """The residual of each site, a vector over all entries of an update, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before(self, site: str, plan: RunPlan, round_: int, size: int) -> Floats:
        """What earlier rounds of the run left out, shape (size,).

        Zeros where there were none, or the file can't be used: that costs accuracy, nothing else.
        """
        zeros = np.zeros(size, np.float32)
        path = self._path(site)
        if not path.exists():
            return zeros
        try:
            kept = np.load(path, allow_pickle=False)
            if str(kept["plan"]) != plan.digest() or round_ < int(kept["round"]):
                return zeros
            repeated = round_ == int(kept["round"])
            rest_E: Floats = kept["before_E" if repeated else "after_E"]
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            _logger.warning("site %s: %s can't be read, and is begun anew: %s", site, path, error)
            return zeros
        fits = rest_E.shape == (size,) and rest_E.dtype == np.float32 and np.isfinite(rest_E).all()
        return rest_E if fits else zeros

    def keep(
        self, site: str, plan: RunPlan, round_: int, before_E: Floats, after_E: Floats
    ) -> None:
        """Keep both sides of ``round_``, for its repetition and for the round after it.

        Raises:
            OSError: it could not be written; what was there stays.
        """
        with whole_file(self._path(site), OWNER_ONLY) as file:
            np.savez(file, plan=plan.digest(), round=round_, before_E=before_E, after_E=after_E)

    def _path(self, site: str) -> Path:
        return self._folder / f"{hashlib.sha256(site.encode()).hexdigest()[:32]}.npz"
