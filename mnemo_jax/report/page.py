"""A page: one HTML file that holds its style, its script and plotly.js, and refers to nothing outside itself."""

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mnemo_jax import store
from mnemo_jax.report.theme import style_sheet, template

_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(template_name: str, /, **context: Any) -> str:
    """Return the page that a template of this package makes of the context; equal contexts give equal pages.

    Everything is escaped but what the package itself brings.
    """
    return _environment().get_template(template_name).render(context)


def write(path: Path, page: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        UserError: the folder cannot be written.
    """
    store.write_bytes(path, page.encode())


def in_script(value: Any) -> Markup:
    """Return plain values as JSON that is safe inside a script element, whatever text they hold; NaN is null."""
    told = json.dumps(store.strict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup("".join(_IN_SCRIPT.get(letter, letter) for letter in told))


def slug(text: str) -> str:
    """Return a name for files and ids: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "page"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mnemo_jax.report"),
        autoescape=True,
        finalize=_bound,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"in_script": in_script, "slug": slug}
    environment.globals |= {
        "style": Markup(style_sheet() + _asset("report.css")),
        "script": Markup(_asset("report.js")),
        "plotly": Markup(get_plotlyjs()),
        "chart_template": template(),
    }
    return environment


def _bound(value: Any) -> Any:
    """Return text with its per cent signs bound to their numbers, so that no line begins with one."""
    return value.replace(" %", "\u00a0%") if type(value) is str else value


def _asset(name: str) -> str:
    return (files("mnemo_jax.report") / "assets" / name).read_text(encoding="utf-8")
