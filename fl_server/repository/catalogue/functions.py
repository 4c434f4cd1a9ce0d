"""The functions that a recipe's network is used with ask it by the name that it is added under.

Where ``fl-repo catalogue add --as`` gives a network another name than the recipe's, function.json
has that one, too; and the function gets a name of its own, so that it does not take the place of
the one that asks the network under the first name.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.functions import FUNCTION_FILE


@contextmanager
def files_asking(folder: Path, recipe: str, own: str) -> Iterator[tuple[str, dict[str, Path]]]:
    """The name and the files of the function in ``folder``, which asks ``recipe`` as ``own``.

    They are there for the duration of the block.

    Raises:
        InvalidConfiguration: an installed class that is not told the name can't ask another one.
    """
    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    fields = json.loads(files[FUNCTION_FILE].read_bytes())
    asks = fields.get("asks", [])
    if own == recipe or recipe not in ([asks] if isinstance(asks, str) else asks):
        yield folder.name, files
        return
    asking = json.dumps(_asking(folder.name, fields, recipe, own), indent=2)
    with TemporaryDirectory(prefix="fl-repo-") as place:
        files[FUNCTION_FILE] = Path(place, FUNCTION_FILE)
        files[FUNCTION_FILE].write_text(asking, "utf-8")
        yield f"{own}-{folder.name}", files


def _asking(name: str, fields: Mapping[str, Any], recipe: str, own: str) -> dict[str, Any]:
    asks = fields["asks"]
    if isinstance(asks, str):
        return {**fields, "asks": own}
    arguments = fields["arguments"]
    if recipe not in arguments.values():
        raise InvalidConfiguration(
            f"--as {own}",
            f"can't be: {name} is an installed class, and none of its arguments is {recipe!r}",
            "Give it the network's name as an argument in function.json, or leave --as out",
        )
    said = {key: own if value == recipe else value for key, value in arguments.items()}
    return {**fields, "asks": [own if one == recipe else one for one in asks], "arguments": said}
