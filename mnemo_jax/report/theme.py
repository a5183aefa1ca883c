"""Colours of pages and their figures, as CSS custom properties: figures name them, and follow light and dark."""

from collections.abc import Mapping
from typing import Any

# Okabe and Ito (2008) with an olive for their black; on dark paper the two blues and the red are lighter.
HUES = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#d55e00", "#a79c1f")
_DARK_HUES = ("#56b4e9", "#e69f00", "#14b88a", "#d68fb6", "#3f94d6", "#ea7a2e", "#c9bd3f")
# Tol's (2021) muted colours, of places that are no minima.
_PLACES = ("#332288", "#44aa99", "#882255", "#8a8a2b", "#117733", "#cc6677", "#aa4499")
_DARK_PLACES = ("#a499f0", "#5fc9b7", "#d6679b", "#c2c25a", "#5bb878", "#e58a99", "#d283c5")
_SHADES = ((0.0, 1.0), (0.5, 1.0), (0.42, 0.0))  # how much white (1) or black (0) is mixed in
_DARK_SHADES = ((0.0, 1.0), (0.55, 1.0), (0.42, 0.0))

LIGHT = {
    "paper": "#ffffff",
    "raised": "#f6f7f8",
    "ink": "#1c2024",
    "quiet": "#5b646d",
    "faint": "#e4e7ea",
    "line": "#c9ced3",
    "accent": "#0b5a9c",
    "none": "#c4c8cc",
    "path": "#8c1c4b",
    "contour": "#1c202455",
    "good": "#1a7f4b",
    "bad": "#b3261e",
    "doubt": "#8a5a00",
}
DARK = {
    "paper": "#14171a",
    "raised": "#1c2024",
    "ink": "#e7eaec",
    "quiet": "#a3adb6",
    "faint": "#2b3137",
    "line": "#434b53",
    "accent": "#7fbcf0",
    "none": "#5a6168",
    "path": "#ff9ac0",
    "contour": "#e7eaec40",
    "good": "#6fcf97",
    "bad": "#ff8a80",
    "doubt": "#f0c060",
}
# From low to high; the highest fade into the paper.
_HEIGHTS = ("#27476b", "#4a76a0", "#83a9c4", "#b9d0dc", "#dfe8e9", "#f5f4ee")
_DARK_HEIGHTS = ("#9cc8ee", "#6797c2", "#436b90", "#2c4a66", "#203345", "#1a242d")
DISTINCT = len(HUES) * len(_SHADES)  # colours that are told apart
PLACES, HEIGHTS = len(_PLACES), len(_HEIGHTS)


def hue(number: int) -> str:
    """Return the colour of basin ``number`` of at most `DISTINCT`."""
    return f"var(--hue-{number})"


def place(number: int) -> str:
    """Return the colour of place ``number`` of at most `PLACES`."""
    return f"var(--place-{number})"


def heights() -> list[list[Any]]:
    """Return a colour scale of the loss, from low to high."""
    return [[k / (HEIGHTS - 1), f"var(--height-{k})"] for k in range(HEIGHTS)]


def style_sheet() -> str:
    """Return the colours as CSS: light, dark where that is preferred, and light wherever the page asks for it."""
    light = LIGHT | _numbered(HUES, _SHADES, _PLACES, _HEIGHTS)
    dark = DARK | _numbered(_DARK_HUES, _DARK_SHADES, _DARK_PLACES, _DARK_HEIGHTS)
    return (
        f":root{{color-scheme:light dark;{_properties(light)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-light]){{{_properties(dark)}}}}}\n"
    )


def template() -> dict[str, Any]:
    """Return the look of all charts, as a template of plotly's."""
    axis = {
        "automargin": True,
        "gridcolor": "var(--faint)",
        "linecolor": "var(--line)",
        "tickcolor": "var(--line)",
        "tickfont": {"size": 12, "color": "var(--quiet)"},
        "title": {"standoff": 8, "font": {"size": 13}},
        "zeroline": False,
        "zerolinecolor": "var(--line)",
        "ticks": "outside",
        "ticklen": 4,
        "exponentformat": "power",
    }
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "font": {"size": 12}}
    bar = {"outlinewidth": 0, "thickness": 10, "ticks": "", "tickfont": {"size": 12, "color": "var(--quiet)"}}
    return {
        "layout": {
            "font": {"family": "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif", "size": 13}
            | {"color": "var(--ink)"},
            "paper_bgcolor": "var(--paper)",
            "plot_bgcolor": "var(--paper)",
            "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
            "hovermode": "closest",
            "hoverlabel": {
                "align": "left",
                "bgcolor": "var(--raised)",
                "bordercolor": "var(--line)",
                "font": {"size": 13, "color": "var(--ink)"},
            },
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "var(--quiet)", "activecolor": "var(--ink)"},
            "xaxis": axis,
            "yaxis": axis,
            "legend": legend,
            "coloraxis": {"colorbar": bar},
            "autotypenumbers": "strict",
        },
        "data": {name: [{"colorbar": bar}] for name in ("heatmap", "contour")},
    }


def _numbered(
    hues: tuple[str, ...], shades: tuple[tuple[float, float], ...], places: tuple[str, ...], heights: tuple[str, ...]
) -> dict[str, str]:
    mixed = [_mixed(colour, *shade) for shade in shades for colour in hues]
    named = {"hue": mixed, "place": places, "height": heights}
    return {f"{name}-{k}": colour for name, colours in named.items() for k, colour in enumerate(colours)}


def _mixed(colour: str, amount: float, other: float) -> str:
    parts = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return "#" + "".join(f"{round((1 - amount) * part + amount * 255 * other):02x}" for part in parts)


def _properties(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
