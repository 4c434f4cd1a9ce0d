"""An update of more than 100 MB on real processes, within the memory that the docs state."""

import re
from pathlib import Path

import psutil

from tests.deployed.fleet import Cloud, TestSite
from tests.support.sources import ROOT

_STATED = re.compile(r"^\| (runner|SuperLink|link|trainer) \| (\d+) MiB \|$", re.MULTILINE)
_MIB = 2**20


def test_it_passes_both_ways_within_the_stated_memory(alone: None, tmp_path: Path) -> None:
    changes = {
        "rounds": 2,
        "sites": 1,
        "net": {"hidden": [5200, 5000]},
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 20.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path, changes, net="mlp")
    site = TestSite(cloud, "anna")
    try:
        cloud.start()
        site.enroll()
        site.process.start()
        row = cloud.await_rounds(1)
        assert row["updates"] == 1, row
        assert min(row["bytes_up"], row["bytes_down"]) > 100e6
        check_memory(cloud, site)
    finally:
        if site.process.popen is not None:
            site.process.kill()
        cloud.process.stop()


def check_memory(cloud: Cloud, site: TestSite) -> None:
    text = (ROOT / "docs" / "reference" / "compression.md").read_text("utf-8")
    stated = {name: int(most) for name, most in _STATED.findall(text)}
    assert site.process.popen is not None
    link = psutil.Process(site.process.popen.pid)
    peaks = {
        "runner": peak_mib(cloud.pid("runner")),
        "SuperLink": peak_mib(cloud.pid("superlink")),
        "link": peak_mib(link.pid),
        "trainer": max(peak_mib(child.pid) for child in link.children()),
    }
    assert set(peaks) == set(stated)
    assert {name: peak for name, peak in peaks.items() if peak > stated[name]} == {}, peaks


def peak_mib(process: int) -> float:
    """The most memory that it has had resident (``VmHWM``)."""
    text = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / _MIB
