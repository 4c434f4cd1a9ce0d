"""Our own programs as child processes, and packages in the current folder that could hide them.

``python -m`` looks for packages in the current folder first, and a user's folder may well have a
package ``models`` or ``conf``. Our child processes start with ``-P``, which skips that folder.
"""

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from fl_common.errors import InvalidConfiguration

PACKAGES = ("catalogue", "conf", "fl_client", "fl_common", "fl_server", "models", "simulate")
"""All packages that are installed with this one."""
_PLACE = Path(__file__).resolve().parents[2]


def own_program(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules, whatever the current folder contains."""
    return [sys.executable, "-P", "-m", module, *arguments]


def check_not_hidden(script: str, module: str) -> None:
    """Raise if another package would be imported instead of one of ours.

    ``script`` and ``module`` are two ways to start the program; the script does not look in the
    current folder.

    Raises:
        InvalidConfiguration: which package hides which.
    """
    others = [place for name in PACKAGES if (place := _place_of(name)) != _PLACE / name]
    remedy = f"Run {script}, or python -P -m {module}; if PYTHONPATH names the folder, take it off"
    _raise_for(others, remedy)


def check_folder(what: str, folder: Path) -> None:
    """Raise if ``what``, which looks in ``folder`` first, would find another package than ours.

    Raises:
        InvalidConfiguration: which package hides which.
    """
    found = [folder / name for name in PACKAGES if (folder / name / "__init__.py").is_file()]
    modules = [folder / f"{name}.py" for name in PACKAGES if (folder / f"{name}.py").is_file()]
    others = [place for place in (*found, *modules) if place.resolve().parent != _PLACE]
    _raise_for(others, f"Run it in another folder: {what} looks in the current one first")


def _place_of(package: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).resolve()
    return file.parent if file.name == "__init__.py" else file


def _raise_for(others: Iterable[Path | None], remedy: str) -> None:
    if places := [str(place) for place in others if place is not None]:
        raise InvalidConfiguration(
            ", ".join(places),
            "would be imported instead of the package of that name of Join the Dots",
            remedy,
        )
