"""What is found of installed packages, and that nothing of them is imported before it is used."""

import sys
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.plugins.installed import offer_of, offered, offers, owner_of, plugins
from fl_common.plugins.kinds import GATE, NET
from fl_common.plugins.listing import listing
from tests.support.plugins import NET_SOURCE, install

OFFERS = {"net": {"flat": "outside_one.nets:Flat"}}


def test_without_a_plugin_nothing_is_found() -> None:
    assert plugins() == []
    assert offers(NET) == []
    text, works = listing()
    assert works
    assert "add-your-own.md" in text


def test_a_plugin_and_its_offers_are_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"net/flat.yaml": "_target_: outside_one.nets.Flat\n"}
    place = install(
        tmp_path,
        monkeypatch,
        "outside_one",
        sources={"__init__": "raise RuntimeError('imported')"},
        options=options,
        offers=OFFERS,
    )
    (plugin,) = plugins()
    assert (plugin.name, plugin.package) == ("outside_one", "outside_one")
    assert plugin.distribution == "outside_one-dist 1.0"
    assert plugin.conf == place / "conf"
    assert plugin.options == ["net/flat"]
    found = offered(NET, "flat")
    assert found is not None
    assert found.target == "outside_one.nets.Flat"
    assert offer_of(NET, "outside_one.nets.Flat") == found
    assert offered(NET, "other") is None
    assert offered(GATE, "flat") is None
    assert owner_of("outside_one.nets.Flat") == "outside_one-dist 1.0"
    assert owner_of("outside_one_more.Flat") is None
    assert "outside_one" not in sys.modules


def test_a_package_that_fails_to_import_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path,
        monkeypatch,
        "outside_two",
        sources={"nets": "import not_there_at_all"},
        offers={"net": {"flat": "outside_two.nets:Flat"}},
    )
    offer = offered(NET, "flat")
    assert offer is not None
    with pytest.raises(InvalidConfiguration) as caught:
        offer.load()
    said = str(caught.value)
    assert "net flat of outside_two-dist 1.0" in said
    assert "No module named 'not_there_at_all'" in said
    assert "pip uninstall outside_two-dist" in said
    text, works = listing()
    assert not works
    assert "net flat: can't be used: net flat of outside_two-dist 1.0" in text


def test_a_name_that_two_bring_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("three", "four"):
        install(
            tmp_path / number,
            monkeypatch,
            f"outside_{number}",
            offers={"net": {"flat": f"outside_{number}:Flat", number: f"outside_{number}:Flat"}},
        )
    with pytest.raises(InvalidConfiguration) as caught:
        offered(NET, "flat")
    assert "outside_three-dist 1.0 (outside_three:Flat)" in str(caught.value)
    assert "outside_four-dist 1.0 (outside_four:Flat)" in str(caught.value)
    assert offered(NET, "four") is not None  # the others can be used


def test_a_name_of_ours_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "outside_one", offers=OFFERS)
    with pytest.raises(InvalidConfiguration) as caught:
        offered(NET, "flat", own=["flat"])
    assert "join-the-dots itself and by outside_one-dist 1.0" in str(caught.value)


def test_a_name_that_looks_like_a_path_is_never_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = {"net": {"os.system": "os:system"}}
    install(tmp_path, monkeypatch, "outside_one", offers=offers)
    assert offered(NET, "os.system") is None


def test_the_listing_says_what_each_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        tmp_path,
        monkeypatch,
        "outside_five",
        sources={"nets": NET_SOURCE},
        options={"net/flat.yaml": "", "extra.yaml": ""},
        offers={"net": {"flat": "outside_five.nets:Flat"}},
    )
    text, works = listing()
    assert works
    assert text.splitlines() == [
        "outside_five-dist 1.0",
        "  conf/extra.yaml",
        "  net=flat",
        "  net flat: outside_five.nets.Flat",
    ]
