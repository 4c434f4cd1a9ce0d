"""The inference engine of a site: it serves one slot's model and swaps it between calls.

A call uses the model that serves when it begins until it ends, so a swap loses no call and no call
sees two models. The previous model stays in memory as the reserve: if the new one fails on windows
that the reserve can predict, the reserve takes over and the new one is marked bad in the slot. A
model that fails to load never serves.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fl_client.inference.onnx_model import OnnxModel, Tensor
from fl_client.inference.prediction import EngineStatus, Inference, Prediction
from fl_client.inference.slots import ModelSlot, noted
from fl_client.inference.task_checks import ShapeMissing, answers, ready
from fl_client.inference.trial import Trial, Trials
from fl_common.configuration.rules import above, require, whole
from fl_common.errors import InvalidData, NoModel
from fl_common.vocabulary import Floats, NamedArrays, Task
from models.kinds import kind_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Loaded:
    digest: str
    model: OnnxModel
    task: Task | None

    @property
    def shape(self) -> str | None:
        return self.task.shape.digest if self.task and self.task.shape else None


@dataclass
class _Counts:
    swaps: int = 0
    failed_loads: int = 0
    fallbacks: int = 0


class Engine:
    """Serves the model in ``slot`` for windows of ``task``; any ONNX model if ``task`` is None.

    The model gets windows in batches of at most ``largest_batch``; a call runs on ``threads``
    threads, and is ended after ``call_seconds``. A version is first tried by ``trial``; if that is
    ``in_background``, what serves goes on meanwhile. ``timer`` is a clock in seconds. Methods may
    be called from any thread. No model serves before the first ``swap``. Where windows go through a
    shape, ``task_of`` is the task of a model by its content; one that does not fit waits.
    """

    def __init__(
        self,
        slot: ModelSlot,
        task: Task | None,
        threads: int,
        largest_batch: int,
        trial: Trial,
        call_seconds: float,
        *,
        in_background: bool = False,
        task_of: Callable[[bytes], Task] | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        for name, value in (("threads", threads), ("largest_batch", largest_batch)):
            require(f"engine.{name}", value, whole(1))
        require("engine.call_seconds", call_seconds, above(0))
        self._trials = Trials(slot, trial, in_background=in_background)
        self._call_seconds, self._begun = call_seconds, set[str]()
        self._slot = slot
        self._task_of = task_of if task_of is not None else lambda _: task
        self._threads, self._largest_batch, self._timer = threads, largest_batch, timer
        self._serving: _Loaded | None = None
        self._reserve: _Loaded | None = None
        self._warned_of: str | None = None
        self._unfit = dict[str, str]()
        self._counts = _Counts()
        self._changing = threading.RLock()

    @property
    def shape(self) -> str | None:
        """The digest of the shape that the model which serves requires; None: none, or no model."""
        return self._serving.shape if self._serving else None

    @property
    def serves(self) -> bool:
        """Whether a model serves."""
        return self._serving is not None

    def predict(self, values_N: Floats, shape: str | None = None) -> Prediction:
        """Answers to windows (N, *task.window_shape) in the task's units, made by ``shape``.

        If the model's output for a finite window is not finite but the reserve's is, the reserve
        takes over and predicts all of them.

        Raises:
            NoModel: no model serves, or none that requires this shape.
            InvalidData: windows of another size than the task's.
        """
        serving = self._now()
        if serving.shape != shape:
            raise NoModel(f"the model in {self._slot.folder} requires another shape")
        task = self._windows_of_task(values_N, serving.task)
        began = self._timer()
        answer_ND = self._answers(serving, values_N)
        unanswered_N = np.isfinite(values_N).all(axis=tuple(range(1, values_N.ndim)))
        unanswered_N &= ~np.isfinite(answer_ND).all(axis=1)
        if unanswered_N.any():
            reserve = self._reserve_for(serving, values_N[unanswered_N])
            if reserve is not None:
                serving, answer_ND = reserve, self._answers(reserve, values_N)
        kind = kind_of(task)
        words = kind.words(answer_ND)
        return Prediction(serving.digest, kind.columns, answer_ND, self._timer() - began, words)

    def infer(
        self,
        arrays: NamedArrays,
        outputs: Sequence[str] | None = None,
        seconds: float = math.inf,
    ) -> Inference:
        """One plain call of the model: named tensors in, named tensors out.

        It is ended after ``seconds``, or ``call_seconds`` if those are fewer.

        Raises:
            NoModel: no model serves.
            InvalidData: names, types or shapes that the model does not have.
        """
        serving = self._now()
        seconds = min(seconds, self._call_seconds)
        return Inference(serving.digest, serving.model.run(arrays, outputs, seconds))

    def signature(self) -> tuple[str, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Digest, inputs and outputs of the model that serves.

        Raises:
            NoModel: no model serves.
        """
        serving = self._now()
        return serving.digest, serving.model.inputs, serving.model.outputs

    def status(self) -> EngineStatus:
        """Which model serves now, and what went wrong."""
        wanted, counts = self._slot.current(), self._counts
        return EngineStatus(
            digest=self._serving.digest if self._serving else None,
            wanted=wanted,
            trouble=(self._slot.failure(wanted) or self._unfit.get(wanted)) if wanted else None,
            swaps=counts.swaps,
            failed_loads=counts.failed_loads,
            fallbacks=counts.fallbacks,
        )

    def swap(self) -> bool:
        """Serve the slot's current version, else the last good one; True if the model changed.

        Cheap if nothing has changed, so it can be called often. Never raises for a bad model: it is
        marked bad, and the log and ``status`` say what to do.
        """
        with self._changing:
            wanted = self._slot.current()
            if self._serving is not None and wanted in (None, self._serving.digest):
                return False
            may = wanted is not None and self._slot.failure(wanted) is None
            if wanted and may and (loaded := self._load(wanted)) is not None:
                self._serve(loaded)
                return True
            return self._serving is None and self._serve_last_good()

    def _now(self) -> _Loaded:
        serving = self._serving
        if serving is None:
            raise NoModel(f"no version of the model in {self._slot.folder} serves")
        return serving

    @staticmethod
    def _windows_of_task(values_N: Floats, task: Task | None) -> Task:
        if task is None or values_N.shape[1:] != task.window_shape:
            rule = f"this engine has {f'windows {task.window_shape}' if task else 'no task'}"
            remedy = "Give (N, *window_shape) of its task, or use infer"
            raise InvalidData(f"windows of shape {values_N.shape}", rule, remedy)
        return task

    def _answers(self, loaded: _Loaded, values_N: Floats) -> Floats:
        """Answers (N, D); NaN where there is no prediction."""
        assert loaded.task is not None
        about = (loaded.model, loaded.digest, loaded.task)
        return answers(*about, values_N, self._largest_batch, self._call_seconds)

    def _reserve_for(self, failing: _Loaded, values_M: Floats) -> _Loaded | None:
        """The model that takes over from ``failing``, which failed on these windows."""
        with self._changing:
            if self._serving is not failing:
                return self._serving
            reserve = self._reserve or self._load_last_good()
            if reserve is None or not self._can(reserve, values_M, failing.shape):
                self._warn_of(values_M, failing)
                return None
            reason = f"gave no finite answer to {len(values_M)} windows that {reserve.digest} can"
            self._mark_bad(failing.digest, reason)
            self._counts.fallbacks += 1
            self._serving, self._reserve = reserve, None
            self._confirm(reserve.digest)
            return reserve

    def _can(self, reserve: _Loaded, values_M: Floats, shape: str | None) -> bool:
        """Whether it predicts any of these windows, which this shape has made."""
        return reserve.shape == shape and bool(np.isfinite(self._answers(reserve, values_M)).any())

    def _warn_of(self, values_M: Floats, failing: _Loaded) -> None:
        if self._warned_of != failing.digest:
            self._warned_of = failing.digest
            _log.warning(
                "model %s has no finite answer to %d windows (values from %.4g to %.4g), and there"
                " is no other model that has. Check the sensors' units and ranges; if they are"
                " right, publish another model. Said once per model",
                failing.digest[:12], len(values_M), values_M.min(), values_M.max(),
            )  # fmt: skip

    def _serve(self, loaded: _Loaded) -> None:
        self._serving, self._reserve = loaded, self._serving
        self._counts.swaps += 1
        self._confirm(loaded.digest)
        _log.info("model %s serves from %s", loaded.digest[:12], self._slot.folder)

    def _serve_last_good(self) -> bool:
        if (loaded := self._load_last_good()) is not None:
            self._serve(loaded)
        return loaded is not None

    def _load_last_good(self) -> _Loaded | None:
        """The newest version that ran before and loads, except the one that serves."""
        serving = self._serving.digest if self._serving else None
        for digest in self._slot.ran_before():
            loaded = self._load(digest) if digest != serving else None
            if loaded is not None:
                return loaded
        return None

    def _load(self, digest: str) -> _Loaded | None:
        """The version, ready to serve; None while it is tried, or if it can't: it is marked bad."""
        if self._trials.is_running():
            return None
        try:
            content = self._slot.read(digest)
            task = self._task_of(content)
            self._begin(digest)
            if not self._trials.passed(digest, content, task, self._largest_batch):
                return None
            about = (self._threads, self._largest_batch)
            model = ready(content, task, *about) if task else OnnxModel(content, self._threads)
        except ShapeMissing as error:  # it waits for its shape, and nothing speaks against it
            self._unfit = {digest: str(error)}
            self._tell_of(digest, error)
            return None
        except InvalidData as error:
            self._counts.failed_loads += 1
            self._mark_bad(digest, str(error))
            self._end(digest)
            return None
        except OSError as error:  # no memory for a child, which is nothing against the model
            self._tell_of(digest, error)
            return None
        self._end(digest)
        return _Loaded(digest, model, task)

    def _begin(self, digest: str) -> None:
        """Note once, before anything else, that this version is loaded."""
        if digest not in self._begun:
            with noted("that it is loaded"):
                self._slot.begin_loading(digest)
            self._begun.add(digest)

    def _end(self, digest: str) -> None:
        self._begun.discard(digest)
        with noted("that it was loaded"):
            self._slot.end_loading(digest)

    def _tell_of(self, digest: str, error: Exception) -> None:
        if self._warned_of != str(error):
            self._warned_of = str(error)
            _log.error("model %s can't be tried yet, what serves goes on: %s", digest[:12], error)

    def _mark_bad(self, digest: str, reason: str) -> None:
        serving = "another model serves" if self._serving or self._reserve else "nothing serves"
        _log.error("model %s is not used, %s: %s", digest[:12], serving, reason)
        with noted("that it failed"):
            self._slot.mark_bad(digest, reason)

    def _confirm(self, digest: str) -> None:
        with noted("that it serves"):
            self._slot.confirm(digest)
