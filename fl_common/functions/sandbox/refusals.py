"""Why a function in a sandbox can't be made."""

import ast

from fl_common.errors import InvalidData
from fl_common.functions.found import plain
from fl_common.functions.sandbox.outcome import Failure


def refused(name: str, words: Failure | str) -> InvalidData:
    """What is raised of a function that can't be made, and why."""
    text = words if isinstance(words, str) else words.text
    return InvalidData(f"the function {name}".rstrip(), f"can't be made ({text})", "Correct it")


def check_syntax(name: str, source: str) -> None:
    """Raise InvalidData where source text is not Python: the runner can't tell the line."""
    try:
        compile(source, name, "exec", flags=ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        words = f"SyntaxError: {plain(error.msg, 200)} ({name}:{error.lineno})"
        raise refused(name, words) from None
    except (ValueError, RecursionError, MemoryError) as error:
        words = plain(str(error), 100) or "it is nested too deeply"
        raise InvalidData(name, f"can't be read ({words})", "Correct it") from None
