"""One simulated run, from its configuration to its files."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path

from fl_common.configuration.rules import Config
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.survey import ScaleRecord
from models.evaluation import Evaluator
from models.nets import parameters_of
from simulate.build import open_ledger
from simulate.engines.memory import keep_freed_memory
from simulate.engines.process import one_run
from simulate.engines.protocol import Carrier
from simulate.functions.examined import check_functions, examined, shown_by
from simulate.home import Home, Origin
from simulate.job.closing import Closing
from simulate.job.continuation import earlier_plans
from simulate.job.preparation import Preparation, prepare
from simulate.job.scale import begin_survey, with_scale
from simulate.job.threshold import with_threshold
from simulate.report.listener import RunListener
from simulate.report.recorder import RoundRecorder
from simulate.report.spending import Spending


def carry_out(
    config: Config,
    home: Home,
    listener: RunListener,
    origin: Origin,
    started: float,
    *,
    sweep: Path | None = None,
) -> None:
    """Prepare the run of ``config``, carry it out on its engine, and leave its files in ``home``.

    Where ``config["resume"]`` is set, the run that ``home`` has goes on. A new run keeps its
    ``origin``, so that it can be resumed. ``started`` is ``time.monotonic()`` when the program
    began. In the folder of a ``sweep`` a run that has ended under the same settings is left as it
    is, and the reports share one plotting library.

    Raises:
        JoinTheDotsError: bad input, before anything is written; or a run that can't go on, of which
            the finished rounds are kept.
    """
    resumes = bool(config["resume"])
    with one_run(), ExitStack() as held:
        if resumes:
            begun = home.read_record()
            held.enter_context(home.held())
        else:
            home.check_unused()
        prepared = prepare(config, home, origin)
        check_functions(shown_by(config), prepared.plan.task)
        if not resumes:
            held.enter_context(home.held())
            home.begin(prepared.record)
        elif sweep and home.has_finished(prepared.plan.rounds):
            listener.tell(f"finished before: {home.folder}")
            return
        elif prepared.record != begun:
            home.keep(prepared.record)
        _carry_out(home, prepared, listener, started, sweep)


def carry_out_in_own_process(
    config: Config,
    home: Home,
    listener: RunListener,
    origin: Origin,
    started: float,
    sweep: Path | None,
) -> None:
    """``carry_out`` for a program that does nothing else: its process keeps memory it frees."""
    keep_freed_memory()
    carry_out(config, home, listener, origin, started, sweep=sweep)


def _carry_out(
    home: Home, prepared: Preparation, listener: RunListener, started: float, sweep: Path | None
) -> None:
    """The remaining rounds of the run that is ``prepared``, and its closing."""
    with ExitStack() as held:

        @cache  # a survey, or else the rounds, start the engine
        def carrier() -> Carrier:
            return held.enter_context(prepared.engine.start(prepared.fleet))

        survey = begin_survey(prepared, home, resumes=bool(prepared.config["resume"]))
        if survey is not None and not survey.is_done:
            carrier().carry_out(survey)
        scaled, scale = with_scale(prepared, survey)
        _train(home, scaled, scale, carrier, listener, started, sweep)


def _train(
    home: Home,
    prepared: Preparation,
    scale: ScaleRecord,
    carrier: Callable[[], Carrier],
    listener: RunListener,
    started: float,
    sweep: Path | None,
) -> None:
    """The rounds, on the engine's ``carrier``, and the closing."""
    plan, sites = prepared.plan, prepared.sites
    evaluate = Evaluator(prepared.net, prepared.test.windows, plan.task)
    spending = Spending(home.ledger, plan)
    recorder = RoundRecorder(evaluate, spending, listener, prepared.notes)
    initial = parameters_of(prepared.net)
    run = FederatedRun(prepared.federation, initial, home.checkpoints, recorder, recorder.announce)
    legs = prepared.record.legs
    done = run.resume(earlier_plans(legs, plan))
    earlier = [leg.run for leg in legs]
    resumes = bool(prepared.config["resume"])
    open_ledger(home.ledger, plan, done, resumes=resumes, earlier=earlier)
    recorder.open(home.rounds, run.history)
    prepared.engine.prepare(prepared.fleet, prepared.federation)
    start_up_s = time.monotonic() - started
    for note in prepared.data:
        listener.tell(note)
    for choice in filter(None, (prepared.choice, prepared.rate)):
        listener.tell(str(choice))
    listener.start(plan, sites, done)
    carrier().carry_out(run)
    final = with_threshold(prepared, home, run, carrier)
    examine = partial(examined, shown_by(prepared.config), prepared.test, plan.task)
    about = (evaluate, spending, scale, started, start_up_s, *final, examine, sweep)
    Closing(home, prepared, *about).close(run, carrier(), listener)
