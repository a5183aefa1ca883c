"""Each layer imports only from those before it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mnemo_jax"
LAYERS = (
    {"threefry"},
    {
        "errors",
        "keys",
        "clock",
        "lanes",
        "stretch",
        "cycles",
        "tally",
        "second_order",
        "gradient_flow",
        "lanczos",
        "shuffle",
    },
    {"choices", "noise", "arguments"},
    {"types", "data"},
    {"landscape", "devices", "native", "tiles", "modes", "blocks", "lanczos"},
    {"elementary", "calculus", "laws", "initializers", "stopping", "augment"},
    {"losses", "starts", "optimizers", "spectrum", "training"},
    {"descent", "polish"},
    {"seek", "flow"},
    {"critical", "degenerate", "symmetry", "generators", "estimates", "exits", "boundaries", "uncertainty"},
    {"catalogue", "orbits", "survival", "reach"},
    {"families", "faces", "pathways", "rays", "networks"},
    {"audit"},
    {"plan"},
    {"config", "store", "journal"},
    {"newest"},
    {"judge", "provenance"},
    {"prepare"},
    {"followed"},
    {"labelling"},
    {"tables", "picture", "edges", "saddle"},
    {"record", "finish"},
    {"found"},
    {"pipeline", "search", "sides", "escapes", "measures"},
    {"stall_counts"},
    {"find", "dwells", "agreement"},
    {"escape"},
    {"stall_report", "branches", "stability", "anew"},
    {"oracle", "trained"},
    {"trained_curvature", "trained_between"},
    {"api", "again", "tune", "doctor", "query", "sweep", "compare", "run_boundary", "run_networks"},
    {"claims"},
    {"figures", "terminal_training"},
    {"terminal"},
    {
        "terminal_list",
        "terminal_search",
        "terminal_several",
        "terminal_stalls",
        "terminal_escape",
        "terminal_boundary",
        "terminal_networks",
    },
    {"terminal_claims"},
    {"report"},
    {"cli"},
)
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mnemo_jax":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # the facade imports nothing until a name is used
    assert room in HEIGHT, f"{room} has no layer yet"
    for name in set(imports(path)) - {room}:
        assert HEIGHT[name] < HEIGHT[room], f"{room} imports {name}"
