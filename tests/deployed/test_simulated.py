"""``engine=deployment``: the processes of a deployment, with the result of the other engines."""

import json
from pathlib import Path

from tests.support.shell import blocks, desk, replaced, typed


def test_it_ends_as_loopback_does_and_the_sites_run_the_new_model(
    alone: None, tmp_path: Path
) -> None:
    """The command of ``docs/how-to/deploy.md``, on two sites for two rounds."""
    deployed, in_process = tmp_path / "deployed", tmp_path / "in-process"
    (command,) = blocks("docs/how-to/deploy.md#try-it-on-one-machine")
    command = replaced(command.strip(), ("sites=3 rounds=5", "sites=2 rounds=2"))
    loopback = replaced(command, ("engine=deployment", "engine=loopback"))
    said = typed(f"{command} hydra.run.dir={deployed}\n", desk(tmp_path / "reader"))
    expected = typed(f"{loopback} hydra.run.dir={in_process}\n", desk(tmp_path / "other"))
    assert "2 of 2 sites run model wearables 1 (" in said
    rows = [[x.split()[0] for x in text.splitlines() if x.strip()] for text in (said, expected)]
    for row in ("accuracy", "privacy", "traffic", "digest", "component"):
        assert all(row in found for found in rows), row
    ends = [json.loads((f / "summary.json").read_text()) for f in (deployed, in_process)]
    assert abs(ends[0]["accuracy"] - ends[1]["accuracy"]) <= 0.01
    assert ends[0]["epsilon"] == ends[1]["epsilon"]
    logs = deployed / "deployment" / "logs"
    for site in ("site-000", "site-001"):
        assert (logs / f"{site}.log").read_text().count("trainer process") == 1, "imported once"
