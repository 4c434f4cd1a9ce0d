"""Local-only: each site trains a model of its own, by its own part in a run, without an exchange.

It is the run's plan, rounds and server step with a cohort of one for each model. Sites are trained
some at a time, all of their rounds in a row, so that memory does not grow with their number; each
is written down when it has ended, and is not done anew.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rich.console

from fl_client.ledger.ledger import Ledger
from fl_client.ledger.table import states_of
from fl_client.site.participation import Participation, Reply, Site
from fl_common.errors import RunFailed
from fl_common.params import digest
from fl_common.plan import Instruction
from fl_common.plugins.build import build
from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.optimisers import ServerOptimiser
from models.nets import parameters_of, trained_part
from simulate.baselines.judgement import Judgement
from simulate.baselines.progress import LocalProgress
from simulate.baselines.ways import resumed
from simulate.fleet import Fleet
from simulate.home import Home, Origin
from simulate.job.preparation import Preparation, prepare
from simulate.report.drawing import Drawing
from simulate.report.results import write_text
from simulate.result import SpentPrivacy

_OWNER = "fleet"
_COPIES = 4
"""Of the parameters, for each site: its model, the optimiser's state, and an update."""
_CHUNK_BYTES = 64 * 2**20
_MOST_SITES = 256

OnRound = Callable[[int, int, int], object]
"""Hears how many sites have ended, how many train now, and their round."""


@dataclass(frozen=True)
class Alone:
    """A site that trained alone: what its model is worth to it, and what its windows spent.

    ``value`` is that of the measure that decides.

    ``digest`` is that of the model's parameters. ``refused`` says why its training stopped; None
    where it trained in every round.
    """

    site: str
    value: float
    epsilon: float | None
    digest: str
    refused: str | None


@dataclass
class _Model:
    """A site's own model. ``take`` is a round's end."""

    site: Site
    optimiser: ServerOptimiser
    whole: Parameters
    trained: Callable[[Parameters], Parameters]
    refused: str | None = None

    def __post_init__(self) -> None:
        self._state = self.optimiser.initial(self.trained(self.whole))

    def take(self, reply: Reply) -> None:
        """Go a step by the site's update; a refusal, or an overflow, ends its training."""
        if not isinstance(reply, LocalUpdate):
            self.refused = self.refused or f"{reply.reason}: {reply.detail}"
            return
        assert isinstance(reply.delta, dict), "a plan without compression"
        try:
            trained = self.trained(self.whole)
            moved, self._state = self.optimiser.step(trained, reply.delta, self._state)
        except RunFailed as error:
            self.refused = str(error)
            return
        self.whole = {**self.whole, **moved}


@dataclass(frozen=True)
class LocalOnly:
    """The models of the sites that ``judgement`` can judge, each trained as ``prepared`` says."""

    home: Home
    prepared: Preparation
    judgement: Judgement
    on_round: OnRound

    def train(self) -> list[Alone]:
        """All sites, those that an earlier process has finished among them, in order."""
        log = self.home.folder / "sites.jsonl"
        ended = {alone.site: alone for alone in _read(log)}
        write_text(log, "".join(map(_line, ended.values())))
        sites = self.prepared.fleet.world.sites
        left = [index for index in self.judgement.judged if sites[index] not in ended]
        initial = parameters_of(self.prepared.net)
        size = max(1, min(_MOST_SITES, _CHUNK_BYTES // (_COPIES * _bytes(initial))))
        for start in range(0, len(left), size):
            chunk = left[start : start + size]
            found = self._trained(chunk, initial, len(ended))
            with log.open("a", encoding="utf-8") as file:
                file.writelines(map(_line, found))
            ended |= {alone.site: alone for alone in found}
        return [ended[sites[index]] for index in self.judgement.judged]

    def _trained(self, chunk: Sequence[int], initial: Parameters, before: int) -> list[Alone]:
        """The sites at the positions ``chunk``, all rounds of theirs, from ``initial`` on."""
        prepared, fleet = self.prepared, Fleet(self.prepared.fleet.world)
        models = [
            _Model(
                fleet.site_of({"partition-id": index}),
                prepared.federation.optimiser,
                initial,
                lambda whole: trained_part(prepared.net, whole),
            )
            for index in chunk
        ]
        with _ledger(self.home.folder / "ledger") as ledger:
            trainer = build(prepared.config["training"]["trainer"], at="training.trainer")
            participation = Participation(ledger, trainer)
            for round_ in range(1, prepared.plan.rounds + 1):
                asked = [model for model in models if model.refused is None]
                requests = [(m.site, Instruction(prepared.plan, round_, m.whole)) for m in asked]
                for model, reply in zip(asked, participation.answer(requests), strict=True):
                    model.take(reply)
                self.on_round(before, len(chunk), round_)
            spent = SpentPrivacy(tuple(states_of(ledger, ledger.sites()))).by_site
        return [
            Alone(
                model.site.name,
                self.judgement.of_one(index, model.whole),
                spent.get(model.site.name),
                digest(model.whole),
                model.refused,
            )
            for index, model in zip(chunk, models, strict=True)
        ]


class LocalRun:
    """The sites alone, in a folder of their own, whose record keeps what decides their result."""

    def __init__(
        self, config: Mapping[str, Any], folder: Path, output: rich.console.Console
    ) -> None:
        self._home, self._output = Home(folder), output
        values = resumed(config, self._home)
        begun = self._home.read_record() if values["resume"] else None
        origin = Origin(configuration={**values, "resume": None})
        self.prepared: Preparation = prepare(values, self._home, origin)
        self._is_new = begun is None
        self._is_longer = begun is not None and begun != self.prepared.record

    def train(self, judgement: Judgement) -> list[Alone]:
        """The sites that ``judgement`` can judge, those that have ended before among them."""
        with self._home.held():
            if self._is_new:
                self._home.begin(self.prepared.record)
            elif self._is_longer:  # more rounds: what has ended had fewer
                (self._home.folder / "sites.jsonl").unlink(missing_ok=True)
                self._home.keep(self.prepared.record)
            self._output.print(f"\n[bold]{self._home.folder.name}[/bold]")
            rounds, count = self.prepared.plan.rounds, len(judgement.judged)
            with Drawing(self._output) as drawing:
                progress = LocalProgress(drawing, count, rounds)
                return LocalOnly(self._home, self.prepared, judgement, progress).train()


def _bytes(parameters: Parameters) -> int:
    return sum(array.nbytes for array in parameters.values()) or 1


@contextmanager
def _ledger(folder: Path) -> Iterator[Ledger]:
    """A ledger of the sites that train now. What an interrupted process left is done anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with closing(Ledger(folder / "ledger.sqlite", time.time, _OWNER)) as ledger:
        yield ledger
    shutil.rmtree(folder)


def _line(alone: Alone) -> str:
    return json.dumps(asdict(alone)) + "\n"


def _read(log: Path) -> Iterator[Alone]:
    """The finished sites in ``log``; a line that a crash left half-written is dropped."""
    for line in log.read_text("utf-8").splitlines(keepends=True) if log.exists() else []:
        if line.endswith("\n"):
            yield Alone(**json.loads(line))
