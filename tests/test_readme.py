"""What the README shows is there and works."""

import re
import tomllib
from pathlib import Path

import pytest
import typer

import mnemo_jax
from mnemo_jax import config
from mnemo_jax.claims.claim import read_set
from mnemo_jax.claims.estimands import ESTIMANDS
from mnemo_jax.cli import app
from mnemo_jax.figures import SEARCH_FIGURES, graph, tree
from mnemo_jax.losses.function import from_path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CLAIMS = ("claims", "lesson")  # folders of configs that hold claims, no runs
COMMANDS = set(typer.main.get_command(app).commands)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_every_command_is_named_and_every_named_command_is_there():
    named = set(re.findall(r"mnemo ([a-z]+)\b(?!:)", README)) | {"list", "show", "tune", "schema"}
    assert named <= COMMANDS
    for command in COMMANDS:
        assert re.search(rf"`?(mnemo )?{command}\b", README), command


def test_tables_of_keys_name_every_key():
    """Every table of a config stands in the README, and nothing that does not exist."""
    properties = config.schema()["properties"]
    named = set(re.findall(r"^\| `(\w+)", README, flags=re.MULTILINE))
    assert named == set(properties) - {"seed", "precision"}, "seed and precision stand beside name"


def test_every_figure_of_a_search_is_told():
    told = set(re.findall(r"^- `(\w+)`:", README, flags=re.MULTILINE))
    assert told == set(SEARCH_FIGURES)
    assert f"more than {tree.MOST} minima ({graph.MOST} in `pathways`)" in README


def test_configs_parse():
    for text in blocks("toml"):
        config.plan(config.parse(tomllib.loads(text), "README.md"), "README.md", "cpu")
    for path in (ROOT / "configs").glob("**/*.toml"):
        if path.parent.name not in CLAIMS:
            config.plan(config.read(path), str(path), "cpu")


@pytest.mark.parametrize("folder", CLAIMS)
def test_claims_parse_and_name_experiments_that_are_there(folder, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, claims = read_set(ROOT / "configs" / folder)
    for claim in claims:
        assert callable(from_path(claim.experiment))


def test_ci_finds_the_second_command():
    lines = [line for line in README.splitlines() if "./check" in line]
    assert len(lines) == 1
    assert lines[0].startswith("python3 -m venv")


@pytest.mark.parametrize("name", mnemo_jax.__all__)
def test_public_names_are_there_and_documented(name):
    member = getattr(mnemo_jax, name)
    assert member.__doc__
    assert not member.__doc__.startswith(f"{name}(")  # the signature that dataclasses write themselves


def test_python_example_runs():
    text = next(block for block in blocks("python") if "mnemo.load" in block)
    shortened = text.replace("starts=20_000", "starts=200, devices=1").replace('out="runs"', "out=None")
    assert shortened != text
    exec(compile(shortened, "README.md", "exec"), {})


def test_the_experiment_of_a_claim_runs(tmp_path):
    text = next(block for block in blocks("python") if "def measure" in block)
    names = {}
    exec(compile(text, "README.md", "exec"), names)
    found = names["measure"](loss="himmelblau", learning_rate=0.01, starts=100, seed=0, out=tmp_path)
    assert all(found.rows().value)


@pytest.mark.parametrize("name", ESTIMANDS)
def test_every_estimand_is_told(name):
    assert f"`{name}`" in README
