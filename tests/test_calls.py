"""What the source may call, and how: read from it, as the layout's rules are."""

import pytest

from tests.support.calls import packed, renames_and_syncs, unseeded, waits_below, writes_itself
from tests.support.sources import PACKAGES, sources

RENAMES_OR_SYNCS = {
    "fl_common/files/whole.py": {"fsync", "replace"},
    "fl_client/ledger/counter.py": {"fdatasync"},  # a slot is overwritten in place: half a write
    # spoils it and leaves the other, and a debit waits for one sync instead of two
}
"""Files that may rename a file or wait for the disk; others write by ``fl_common.files.whole``."""


UNSYNCED = {
    "fl_common/files/whole.py": {"mkdir", "write_bytes"},  # and then syncs it
    "fl_common/programs/limited_child.py": {"write_text"},  # of the kernel: /proc
    "fl_client/ledger/counter.py": {"write_bytes"},  # into a part of ``whole_path``
    "fl_server/repository/store/archive.py": {"mkdir"},  # in a temporary folder of its caller
}
"""Files of a box and a server that may make a folder or write a file by themselves."""

LEAST_PATIENCE_S = 60.0
IMPATIENT = {
    "tests/unit/fl_client/node/test_telling.py": {0.2},  # for what must not come
}
"""Tests that wait for less: none of them fails where the machine is slow."""

UNSEEDED = {
    "tests/contract/test_extension_checks.py": {"np.random.default_rng()"},  # the fault
    "tests/deployed/site.py": {"np.random.default_rng()"},  # in place of training, whatever it is
}
"""Tests that draw numbers without a seed: nothing that they compare hangs on the numbers."""


def test_files_are_written_whole_in_one_place() -> None:
    found = {s.path: renames_and_syncs(s.text) for s in sources(*PACKAGES, "benchmarks")}
    assert {path: names for path, names in found.items() if names} == RENAMES_OR_SYNCS


def test_a_box_and_a_server_write_nothing_that_a_power_cut_takes_back() -> None:
    files = sources("fl_client", "fl_common", "fl_server")
    kept = (file for file in files if "TemporaryDirectory(" not in file.text)
    found = {file.path: writes_itself(file.text) for file in kept}
    assert {path: names for path, names in found.items() if names} == UNSYNCED


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("part.replace(path)", {"replace"}),
        ("os.replace(part, path)", {"replace"}),
        ("Path(name).rename(path); os.fsync(folder)", {"rename", "fsync"}),
        ("shutil.move(a, b)", {"move"}),
        ("text.replace('a', 'b'); dataclasses.replace(plan, seed=1)", set()),
    ],
)
def test_a_rename_is_told_from_the_replacement_of_text(text: str, names: set[str]) -> None:
    assert renames_and_syncs(text) == names


def test_logs_are_set_up_where_messages_are_made_visible() -> None:
    # A message may quote a site, a sensor or a file: see fl_common.programs.logs.
    raw = ("basicConfig(", "StreamHandler(", "logging.Formatter(")
    found = {s.path for s in sources(*PACKAGES) if any(call in s.text for call in raw)}
    assert found == {"fl_common/programs/logs.py"}


def test_no_call_packs_arguments_into_one() -> None:
    found = {s.path: packed(s.text) for s in sources(*PACKAGES, "benchmarks", "tests")}
    assert {path: arguments for path, arguments in found.items() if arguments} == {}


def test_a_packed_argument_is_told_from_one_that_is_given_on() -> None:
    assert packed("Box(*(a, b), *[c], e)") == ["*(a, b)", "*[c]"]
    assert packed("run(*command, *(more if any else ()), *shape[1:])") == []


def test_homes_are_found_in_one_place() -> None:
    # pathlib raises where there is no such user; a file may well be named ~1.
    found = {s.path for s in sources(*PACKAGES, "benchmarks") if "expanduser(" in s.text}
    assert found == {"fl_common/configuration/paths.py"}


def test_no_test_fails_where_a_machine_is_slow() -> None:
    found = {s.path: waits_below(s.text, LEAST_PATIENCE_S) for s in sources("tests")}
    assert {path: waits for path, waits in found.items() if waits} == IMPATIENT


def test_no_test_draws_other_numbers_each_time() -> None:
    found = {s.path: unseeded(s.text) for s in sources("tests")}
    assert {path: calls for path, calls in found.items() if calls} == UNSEEDED


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("asked.wait(2); thread.join(3.5); ', '.join(names)", {2, 3.5}),
        ("until(holds, 'it ends', 30); wait_for(holds, 'it ends', patience=5)", {30, 5}),
        ("urlopen(url, timeout=10); run(words, timeout=PATIENCE); one.settimeout(0)", {10}),
        ("asyncio.wait_for(ends(), 4); asyncio.wait([task], timeout=120)", {4}),
        ("while feed.waits:\n    thread.wait(1)\nthread.wait(2)", {2}),
    ],
)
def test_what_is_waited_for_is_read(text: str, seconds: set[float]) -> None:
    assert waits_below(text, LEAST_PATIENCE_S) == seconds


def test_a_generator_without_a_seed_is_told_from_one_with() -> None:
    text = "np.random.default_rng(); random.Random(None); default_rng(3); Random(seed)"
    assert unseeded(text) == {"np.random.default_rng()", "random.Random(None)"}
