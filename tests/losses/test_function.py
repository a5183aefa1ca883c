"""Losses from a module of the user's own."""

import sys

import jax.numpy as jnp
import pytest

from mnemo_jax.errors import UserError
from mnemo_jax.losses import from_path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return a writer of modules into an empty working directory; what they leave in sys.modules is removed."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_function_from_an_installed_module():
    assert from_path("jax.numpy:sum") is jnp.sum


def test_function_from_the_working_directory(here):
    here("bowl_of_mine/__init__.py", "")
    here("bowl_of_mine/deep.py", "import bowl_of_mine\ndef loss(x):\n    return (x**2).sum()\n")
    before = list(sys.path)
    loss = from_path("bowl_of_mine.deep:loss")
    assert loss(jnp.arange(3.0)) == 5.0
    assert sys.path == before
    assert from_path("bowl_of_mine.deep:loss") is loss


def test_errors_name_the_key_of_the_config():
    with pytest.raises(UserError, match=r"^observables.norm: 'norm' is not of the form"):
        from_path("norm", key="observables.norm")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("bowl", "'bowl' is not of the form 'package.module:name'"),
        ("bowl:", "not of the form"),
        (":loss", "not of the form"),
        ("bowl:loss:more", "not of the form"),
        ("bowl:loss()", "not of the form"),
        (".bowl:loss", "not of the form"),
        ("", "not of the form"),
        (None, "not of the form"),
        ("bowl.py:loss", "no module 'bowl.py' here"),
        ("lib/bowl.py:loss", "name the module, not its file"),
        ("no_such_module_here:loss", "no module 'no_such_module_here' here"),
        ("json.nothing_there:loss", "no module 'json.nothing_there' here"),
        ("bowl:lose", "module 'bowl' has no 'lose'; did you mean 'loss'?"),
        ("bowl:number", "of type int, which cannot be called"),
        ("needy:loss", "it needs the module 'no_such_module_at_all'"),
        ("broken:loss", "importing 'broken' raised RuntimeError: out of luck"),
        ("typo:loss", "importing 'typo' raised SyntaxError"),
        ("quits:loss", "importing 'quits' raised SystemExit: 3"),
    ],
)
def test_mistakes_are_one_sentence(here, path, words):
    here("bowl.py", "number = 3\ndef loss(x):\n    return x\n")
    here("needy.py", "import no_such_module_at_all\n")
    here("broken.py", "raise RuntimeError('out of luck\\nand of time')\n")
    here("typo.py", "def loss(x:\n")
    here("quits.py", "import sys\nsys.exit(3)\n")
    with pytest.raises(UserError) as caught:
        from_path(path)
    message = str(caught.value)
    assert message.startswith("loss.function: ")
    assert words in message, message
    assert "\n" not in message
