"""What the source may call, and how: read from it, as the layout's rules are."""

import pytest

from tests.support.calls import packed, renames_and_syncs, writes_itself
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
