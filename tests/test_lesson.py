"""The claims of the lesson: each can be carried out at every size, and some are, against what is known exactly."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from mnemo_jax import store
from mnemo_jax.claims import carry_out
from mnemo_jax.claims.claim import LOCK, fixed, read_set
from mnemo_jax.claims.verdict import Verdict
from mnemo_jax.losses.function import from_path

LESSON = Path(__file__).parent.parent / "configs" / "lesson"
QUICK = ("C7", "C12")
pytestmark = pytest.mark.usefixtures("no_fsync")


def test_every_claim_can_be_carried_out_at_every_size():
    """An experiment takes what each regime, control and size give it, and no verdict is without a sentence."""
    own, claims = read_set(LESSON)
    assert own.comparisons == 37
    for claim in claims:
        experiment = inspect.signature(from_path(claim.experiment, claim.id))
        assert set(claim.sizes) == {"smoke", "standard", "full"}
        for part in (*claim.regimes, *claim.controls):
            for numbers in claim.sizes.values():
                experiment.bind(**{**numbers, **part.args, "seed": 0, "out": Path()})
        assert claim.controls
        assert claim.corrected


def test_no_claim_has_changed_since_it_was_fixed():
    own, claims = read_set(LESSON)
    assert store.read_json(LESSON / LOCK) == {claim.id: fixed(claim, own) for claim in claims}


def carried_out(out):
    """Return the quick claims by id, and the bytes of their verdicts; programs are kept for the tests that follow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jax.clear_caches", lambda: None)
        own, told, home = carry_out.carry_out(LESSON, out, "smoke", only=QUICK)
    carry_out.write(own, told, home)
    return {one.claim.id: one for one in told if one.claim.id in QUICK}, (home / "verdicts.json").read_bytes()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A few claims at the smallest size."""
    return carried_out(tmp_path_factory.mktemp("lesson"))


def test_the_parabola_is_as_the_lesson_says(quick):
    told, _ = quick
    assert told["C7"].verdict is Verdict.HOLDS
    assert all(one.passed for one in told["C7"].controls)


def test_shares_of_the_tilted_quartic_are_those_of_its_basins(quick):
    """A start ends at the worse minimum where it lies beyond the maximum, the middle root of 4 x^3 - 8 x + t."""
    told, _ = quick
    assert told["C12"].verdict is Verdict.SOME
    for one in told["C12"].regimes:
        tilt = one.regime.args["tilt"]
        roots = np.roots([4.0, 0.0, -8.0, tilt])
        worse = (3.0 - np.sort(roots.real)[1]) / 6.0 if tilt and np.isreal(roots).all() else 0.0
        error = np.sqrt(worse * (1 - worse) / len(one.kept.rows))
        assert abs(one.estimate.value - worse) <= 4 * error


def test_claims_carried_out_again_give_the_same_bytes(quick, tmp_path):
    assert carried_out(tmp_path)[1] == quick[1]
