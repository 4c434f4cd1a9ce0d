"""What every page of figures has: its scripts, what a browser may do with it, and safe text.

A page fetches nothing and runs no script but its own. plotly.js, of about 5 MB, is in the page; or
one file holds it for several pages, which then say where it is missing.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from simulate.report.plots import Figure
from simulate.report.results import json_value, write_text
from simulate.report.wording import one_line

_PARTS = Path(__file__).parent
LIBRARY = "plotly.min.js"
"""The file that reports share."""


def write_page(
    path: Path,
    title: str,
    figures: Sequence[Figure],
    body: Path,
    parts: Mapping[str, str],
    shared: Path | None,
) -> None:
    """Write a page at ``path``: ``body``, a template, with its ``parts`` and the ``figures``.

    ``shared`` is the folder whose copy of the plotting library the page uses, which is made there
    unless it is there already; None: the page has its own.
    """
    frame = _scripts(path, shared) | _drawn(figures)
    frame |= {"title": text(title), "style": (_PARTS / "page.css").read_text(encoding="utf-8")}
    within = Template(body.read_text(encoding="utf-8")).substitute(frame, **parts)
    page = Template((_PARTS / "frame.html").read_text(encoding="utf-8"))
    write_text(path, page.substitute(frame, body=within))


def _scripts(path: Path, shared: Path | None) -> dict[str, str]:
    """``policy``, ``missing``, ``plotly`` and ``script`` of a page's frame."""
    from plotly.offline import get_plotlyjs  # only here: the start of a run does not wait for it

    library, script = get_plotlyjs(), (_PARTS / "page.js").read_text(encoding="utf-8")
    if shared is None:
        own = f"<script>{library}</script>"
        policy = _policy([library, script], "")
        return {"policy": policy, "missing": "", "plotly": own, "script": script}
    _keep(shared / LIBRARY, library)
    place = Path(os.path.relpath(shared, path.parent), LIBRARY).as_posix()
    missing = (
        '<p id="no-library" class="missing" hidden>The figures need the plotting library, which'
        f" belongs to this page as <code>{text(place)}</code> and is not there: copy it, too. The"
        " tables below hold the same numbers.</p>"
    )
    return {
        "policy": _policy([script], " 'self' file:"),
        "missing": missing,
        "plotly": f'<script src="{text(quote(place))}"></script>',
        "script": script,
    }


def _keep(path: Path, library: str) -> None:
    """Write the file unless it is there: it is the same for all members of a sweep."""
    if not path.is_file() or path.read_text("utf-8") != library:
        write_text(path, library)


def _policy(own: Sequence[str], others: str) -> str:
    """A content security policy: no connection anywhere, and only its ``own`` scripts run.

    ``others``: places of this machine from which one may be loaded.
    """
    digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in own)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}{others}; style-src 'unsafe-inline';"
        " img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _drawn(figures: Sequence[Figure]) -> dict[str, str]:
    """``plots`` and ``figures`` of a page."""
    values = [{"name": f.name, "data": f.data, "layout": f.layout} for f in figures]
    return {"plots": "".join(map(_figure, figures)), "figures": _json_text(values)}


def _figure(figure: Figure) -> str:
    says = text(figure.says)
    return (
        f"<figure><figcaption><h2>{text(figure.title)}</h2><p>{says}</p></figcaption>"
        f'<div class="plot" id="{figure.name}" role="img" aria-label="{says}"></div></figure>'
    )


def table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of figures under ``names``."""
    cells = "".join(f"<tr>{''.join(f'<td>{text(c)}</td>' for c in row)}</tr>" for row in rows)
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    return f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>'


def pairs(value_of: Mapping[str, Any]) -> str:
    """A table of names and values."""
    rows = (
        f'<tr><th scope="row">{text(name)}</th><td class="long">{text(value)}</td></tr>'
        for name, value in value_of.items()
    )
    return f"<table>{''.join(rows)}</table>"


def fact(name: str, value: str, more: str, kind: str = "") -> str:
    """A figure to see at a glance, with ``more`` about it in small letters."""
    return (
        f'<div class="glance"><dt>{text(name)}</dt>'
        f'<dd class="{kind}">{text(value)}<small>{text(more)}</small></dd></div>'
    )


def text(value: object) -> str:
    """``value`` as text in a page or an attribute, whatever it holds."""
    return escape(one_line(str(value)))


def _json_text(value: object) -> str:
    """JSON that can stand in a script element: no character in it ends the element."""
    written = json.dumps(json_value(value), allow_nan=False)
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
