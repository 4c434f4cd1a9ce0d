"""torchvision, importable with any build of torch; import it through here and nowhere else.

PyPI's torchvision wheel for Linux is built against CUDA. Beside a CPU build of torch its compiled
extension can't be loaded, torchvision says nothing about it, and then fails in
``torchvision/_meta_registrations.py`` with "operator torchvision::nms does not exist": it attaches
shape rules to two operators that only the extension defines. With the schemas of these defined
beforehand the import goes through, and models, transforms and datasets, which are plain Python on
torch, work. Operators of the extension itself (``torchvision.ops.nms``) still raise when called.

Where the extension does load (CUDA, macOS, a CPU wheel of torchvision) nothing is defined.
"""

import importlib.util
import sys
from importlib.machinery import PathFinder
from types import ModuleType

import torch

# torch removes a Library's definitions when it is collected, so keep it for the process.
_definitions: list[torch.library.Library] = []


def import_torchvision() -> ModuleType:
    """The package ``torchvision``, imported; its submodules are attributes as usual.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
    """
    if "torchvision" not in sys.modules and not _definitions and not _extension_loads():
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            schema = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)
        _definitions.append(library)
    import torchvision

    module: ModuleType = torchvision
    return module


def _extension_loads() -> bool:
    """True when torchvision's compiled extension defines its operators here.

    It is loaded in the way torchvision itself does, which is harmless twice. Looking before the
    import matters: a failed ``import torchvision`` leaves half of it in ``sys.modules``.
    """
    package = importlib.util.find_spec("torchvision")
    if package is None or package.submodule_search_locations is None:
        raise ModuleNotFoundError("torchvision is not installed", name="torchvision")
    extension = PathFinder.find_spec("_C", list(package.submodule_search_locations))
    if extension is None or extension.origin is None:
        return False
    try:
        torch.ops.load_library(extension.origin)
    except (ImportError, OSError):
        return False
    return True
