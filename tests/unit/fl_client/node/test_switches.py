"""What is on or off is true or false: a text such as "false" of the environment would be on."""

from pathlib import Path

import pytest

from fl_client.configuration import read_config
from fl_client.federation.command import _responder
from fl_client.node.assembly.node import build_node
from fl_common.errors import InvalidConfiguration

BOX = ("name=box", "sensors=wearables_raw", "functions=none")


@pytest.mark.parametrize("key", ["components.own_model", "components.tell_versions"])
def test_a_text_is_no_switch(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH", "false")
    config = read_config(None, (*BOX, f"home={tmp_path}", f"{key}=${{oc.env:SWITCH}}"))
    with pytest.raises(InvalidConfiguration, match=rf"{key}=false: must be true or false"):
        _responder(config) if key.endswith("versions") else build_node(config, connected=True)
