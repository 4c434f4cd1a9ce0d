"""The functions that the catalogue's own networks are used with."""

import pytest

from fl_common.functions import ClassFunction, read_function
from fl_common.functions.trial import try_function
from fl_common.programs.limited_child import ChildLimits
from fl_server.repository.catalogue.shelf import own_folder, recipes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["speech-heard", "content-told", "display-read"])
def test_a_function_of_the_catalogue_finds_in_its_cases_what_they_expect(name: str) -> None:
    tried = try_function(own_folder() / "functions" / name, ChildLimits(240, 4096))
    assert (tried.failures, tried.wrong) == (0, [])
    assert tried.cases >= 5


def test_each_function_of_a_recipe_of_ours_asks_its_network() -> None:
    found = {
        one.name: list(one.functions.values())
        for one in recipes().values()
        if one.folder == own_folder()
    }
    asking = {"speech", "sleep-spindles", "seizures", "content-type", "text-reader"}
    assert {name for name, folders in found.items() if folders} >= asking
    for name, folders in found.items():
        for folder in folders:
            spec = read_function((folder / "function.json").read_bytes())
            asks = spec.asks if isinstance(spec, ClassFunction) else (spec.asks,)
            assert asks == ((name,) if name in asking else ())
