"""Claims: estimates against other libraries and known truth, verdicts' error rates, and what a record refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats
from typer.testing import CliRunner

from mnemo_jax import cli
from mnemo_jax.claims import carry_out, estimands
from mnemo_jax.claims.claim import Set, fixed, read_set
from mnemo_jax.claims.estimands import ESTIMANDS, Estimate, estimate
from mnemo_jax.claims.measurement import MOST, Heat, Illustration, Measurement, Series
from mnemo_jax.claims.verdict import Result, Rule, Verdict, passes, result, sensitivity, verdict
from mnemo_jax.errors import UserError

ABOVE, BELOW, INSIDE, TRUE = (
    Rule("above", 0.5),
    Rule("below", 0.9, (0.95, 1.05)),
    Rule("inside", None, (-1, 1)),
    Rule("true"),
)
CLAIM = """
id = "{id}"
title = "Coins"
says = "Coins show heads."
sentence = "Coins show heads more often than not."
experiment = "{module}:measure"
estimand = "share"
measure = "share of heads"
direction = "above"
threshold = 0.5
seed = 10001
sizes = {{ smoke = {{ number = 400 }}, standard = {{ number = 4000 }} }}

[[regimes]]
name = "bent"
args = {{ chance = 0.8 }}

[[regimes]]
name = "bent the other way"
args = {{ chance = 0.2 }}

[[controls]]
name = "a coin of two heads"
args = {{ chance = 1.0 }}
expected = 1.0
tolerance = 0.05

[[corrected]]
verdict = "holds in some regimes"
when = {{ "bent" = "supported" }}
sentence = "Bent coins show heads."
"""
EXPERIMENT = """
import numpy as np
import mnemo_jax as mnemo

RUNS = []


def measure(*, chance, number, seed, out):
    RUNS.append(chance)
    if chance == 0.2 and (out.parent / "stop").exists():
        raise mnemo.UserError("the coin rolled away")
    draw = np.random.default_rng(seed)
    series = mnemo.Series(name=f"{chance}", x=range(number), y=draw.random(number))
    shown = mnemo.Illustration(title="Throws", caption="All of them.", x="throw", y="height", series=(series,))
    return mnemo.Measurement(value=draw.random(number) < chance, illustrations=(shown,))
"""


def rows(**columns):
    return Measurement(**columns).rows()


def draws(seed, clusters=20, within=10, between=1.0, mean=0.0):
    draw = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), within)
    return cluster, mean + between * draw.normal(size=clusters)[cluster] + draw.normal(size=len(cluster))


class TestEstimates:
    def test_shares_of_single_starts_have_wilsons_interval(self):
        found = estimate("share", rows(value=np.arange(1000) < 137), 0.99)
        theirs = stats.binomtest(137, 1000).proportion_ci(0.99, "wilson")
        np.testing.assert_allclose(found.interval, theirs, rtol=1e-9)
        theirs = stats.binomtest(137, 1000).proportion_ci(0.98, "wilson")
        np.testing.assert_allclose(found.narrow, theirs, rtol=1e-9)

    def test_runs_without_an_answer_count_against_a_share_and_bound_it(self):
        found = estimate("share", rows(value=[1, 1, 0, 1, 0], valid=[1, 1, 1, 0, 0]), 0.95)
        assert found.value == 0.4
        assert found.bounds == (0.4, 0.8)

    def test_a_mean_has_students_interval(self):
        value = np.random.default_rng(1).normal(3, 2, 50)
        found = estimate("mean", rows(value=value), 0.95)
        theirs = stats.ttest_1samp(value, 0).confidence_interval(0.95)
        np.testing.assert_allclose(found.interval, theirs, rtol=0.01)  # the bootstrap's own error of 1/sqrt(2 * 2000)

    def test_a_difference_is_of_the_same_starts(self):
        start = np.random.default_rng(2).normal(0, 100, 200)
        found = estimate("difference", rows(value=start + 1 + 0.1 * np.sin(start), other=start), 0.95)
        assert 0.97 < found.interval[0] < 1 < found.interval[1] < 1.03

    def test_a_ratio_is_geometric(self):
        draw = np.random.default_rng(3)
        other = draw.lognormal(size=300)
        value = 0.5 * other * draw.lognormal(sigma=0.2, size=300)
        found = estimate("ratio", rows(value=value, other=other), 0.95)
        assert found.value == pytest.approx(stats.gmean(value / other))
        assert found.interval[0] < 0.5 < found.interval[1]

    def test_censored_times_are_compared_by_medians_and_the_log_rank_test(self):
        draw = np.random.default_rng(4)
        value, other = draw.exponential(10, 400), draw.exponential(20, 400)
        ended, other_ended = value < 30, other < 30

        def half(time):
            return np.quantile(time, 0.5, method="inverted_cdf")

        found = estimate(
            "ratio",
            rows(value=np.minimum(value, 30), other=np.minimum(other, 30), ended=ended, other_ended=other_ended),
            0.95,
        )
        assert found.value == pytest.approx(half(value) / half(other))
        assert found.interval[0] < 0.5 < found.interval[1]
        assert f"{np.sum(~ended)} and {np.sum(~other_ended)} of 400" in found.note

    def test_medians_never_reached_leave_no_estimate(self):
        late = rows(value=[5.0] * 10, other=[5.0] * 10, ended=[False] * 10)
        assert estimate("ratio", late, 0.95).interval is None

    def test_share_ended_is_kaplan_and_meiers(self):
        # ends at 1 and 3, one lost at 2 and one at 4: 1 - (3/4)(1/2) have ended
        found = estimate("share_ended", rows(value=[1, 2, 3, 4], ended=[1, 0, 1, 0]), 0.95)
        assert found.value == pytest.approx(1 - 3 / 4 / 2)
        assert estimate("share_ended", rows(value=[9, 9], ended=[0, 0]), 0.95).value == 0
        assert estimate("share_ended", rows(value=[9, 9], ended=[1, 1]), 0.95).value == 1

    def test_a_difference_of_shares_knows_who_changed(self):
        value, other = np.arange(1000) < 500, np.arange(1000) < 480
        found = estimate("share_difference", rows(value=value, other=other), 0.95)
        assert found.value == pytest.approx(0.02)
        assert found.interval[1] - found.interval[0] < 0.02  # unpaired it would be 0.09 wide

    def test_no_start_that_changes_still_leaves_something_open(self):
        same = np.arange(30) < 10
        low, high = estimate("share_difference", rows(value=same, other=same), 0.95).interval
        assert low < 0 < high

    def test_correlation_spread_quantiles_and_order(self):
        draw = np.random.default_rng(5)
        x = draw.normal(size=500)
        y = x + draw.normal(size=500)
        assert estimate("correlation", rows(value=x, other=y), 0.95).value == pytest.approx(stats.spearmanr(x, y)[0])
        assert estimate("spread", rows(value=x), 0.95).value == pytest.approx(x.std(ddof=1))
        positive = np.exp(x)
        low, high = np.quantile(positive, [0.05, 0.95])
        assert estimate("quantile_ratio", rows(value=positive), 0.95).value == pytest.approx(high / low)
        theirs = stats.mannwhitneyu(x[y > 0], x[y <= 0]).statistic / np.sum(y > 0) / np.sum(y <= 0)
        assert estimate("auc", rows(value=x, other=y > 0), 0.95).value == pytest.approx(theirs)

    def test_starts_of_one_data_set_are_no_independent_sample(self):
        cluster, value = draws(6)
        alone, together = (estimate("mean", rows(value=value, cluster=c), 0.95).interval for c in (None, cluster))
        assert together[1] - together[0] > 2 * (alone[1] - alone[0])
        of_means = stats.ttest_1samp(value.reshape(20, 10).mean(1), 0).confidence_interval(0.95)
        np.testing.assert_allclose(together, of_means, atol=0.02)

    def test_shares_of_clusters_that_agree_are_worth_one_each(self):
        found = estimate("share", rows(value=np.ones(200, bool), cluster=np.repeat(np.arange(20), 10)), 0.95)
        np.testing.assert_allclose(found.interval, (0.025 ** (1 / 20), 1), rtol=1e-9)

    def test_one_cluster_has_no_interval(self):
        found = estimate("mean", rows(value=[1.0, 2.0, 3.0], cluster=[4, 4, 4]), 0.95)
        assert found.interval is None
        assert "1 of the claim's units" in found.note

    def test_an_exact_statement_names_the_case_that_fails(self):
        found = estimate("all", rows(value=[True, False], case=["x^4", "|x|"]), 0.95)
        assert found.value == 0.5
        assert found.note == "false for |x|"

    @pytest.mark.parametrize("name", ["share_difference", "difference", "ratio", "correlation", "auc"])
    def test_a_missing_arm_is_said(self, name):
        with pytest.raises(UserError, match="no `other`"):
            estimate(name, rows(value=[1.0, 2.0]), 0.95)

    def test_columns_of_different_length_are_refused(self):
        with pytest.raises(UserError, match="3 values but 2 of other"):
            rows(value=[1, 2, 3], other=[1, 2])
        with pytest.raises(UserError, match="no runs"):
            rows(value=[])


class TestErrorRates:
    """The level is what it says: at the truth, intervals miss it as often as alpha allows, and no more."""

    REPEATS = 400

    @pytest.fixture(autouse=True)
    def _fewer_resamples(self, monkeypatch):
        monkeypatch.setattr(estimands, "RESAMPLES", 200)

    def most(self, repeats=REPEATS):
        return 0.05 + 4 * np.sqrt(0.05 * 0.95 / repeats)

    def missed(self, estimand, made, truth, repeats=REPEATS):
        found = [estimate(estimand, rows(**made(seed)), 0.95).interval for seed in range(repeats)]
        low, high = np.array(found).T
        below, above = np.mean(high < truth), np.mean(low > truth)
        assert below + above <= self.most(repeats)
        return below, above

    def test_means_of_clusters(self):
        def made(seed):
            cluster, value = draws(seed)
            return {"value": value, "cluster": cluster}

        below, above = self.missed("mean", made, 0.0)
        assert below + above > 0.02  # and not by being far too wide

    def test_a_few_clusters_of_many_starts(self):
        def made(seed):
            cluster, value = draws(seed, clusters=6, within=40, between=0.3)
            return {"value": value, "cluster": cluster}

        self.missed("mean", made, 0.0)

    @pytest.mark.parametrize("share", [0.03, 0.5])
    def test_shares_of_clusters(self, share):
        def made(seed):
            draw = np.random.default_rng(seed)
            own = draw.beta(4 * share, 4 * (1 - share), 25)  # correlation within of 1/5
            return {"value": (draw.random((25, 16)) < own[:, None]).ravel(), "cluster": np.repeat(np.arange(25), 16)}

        self.missed("share", made, share)

    def test_ratios_of_times(self):
        def made(seed):
            draw = np.random.default_rng(seed)
            other = draw.lognormal(size=40)
            return {"value": 0.7 * other * draw.lognormal(sigma=0.5, size=40), "other": other}

        self.missed("ratio", made, 0.7)

    def test_ratios_of_medians_of_censored_times(self):
        def made(seed):
            draw = np.random.default_rng(seed)
            value, other = draw.exponential(1, 150), draw.exponential(2, 150)
            return {
                "value": np.minimum(value, 3),
                "other": np.minimum(other, 3),
                "ended": value < 3,
                "other_ended": other < 3,
            }

        self.missed("ratio", made, 0.5, repeats=100)

    def test_rank_correlations_of_clusters(self):
        truth = 6 / np.pi * np.arcsin(0.5 / 2)  # of normal variables with correlation 1/2

        def made(seed):
            draw = np.random.default_rng(seed)
            x, noise = draw.normal(size=(2, 300))
            return {"value": x, "other": 0.5 * x + np.sqrt(0.75) * noise, "cluster": np.repeat(np.arange(30), 10)}

        self.missed("correlation", made, truth, repeats=100)

    def test_verdicts_at_the_threshold_are_wrong_as_rarely_as_promised(self):
        words = []
        for seed in range(self.REPEATS):
            hits = np.random.default_rng(seed).random(500) < 0.5  # exactly at the threshold
            words.append(result(estimate("share", rows(value=hits), 0.95), ABOVE))
        decided = 1 - words.count(Result.INCONCLUSIVE) / self.REPEATS
        assert 0.01 < decided <= self.most()

    def test_what_is_not_equivalent_is_seldom_called_so(self):
        words = []
        for seed in range(self.REPEATS):
            value = np.random.default_rng(seed).normal(1.0, 2.0, 80)  # exactly at the margin
            words.append(result(estimate("mean", rows(value=value), 0.95), INSIDE))
        assert words.count(Result.EQUIVALENT) / self.REPEATS <= self.most()
        assert words.count(Result.EQUIVALENT) / self.REPEATS > 0.01


def at(low, high, narrow=None):
    return Estimate((low + high) / 2, (low, high), narrow or (low, high))


class TestVerdicts:
    @pytest.mark.parametrize(
        ("found", "rule", "word"),
        [
            (at(0.51, 0.6), ABOVE, "supported"),
            (at(0.4, 0.49), ABOVE, "contradicted"),
            (at(0.49, 0.51), ABOVE, "inconclusive"),
            (at(0.5, 0.6), ABOVE, "inconclusive"),
            (at(0.3, 0.8), BELOW, "supported"),
            (at(0.94, 1.06, (0.96, 1.04)), BELOW, "equivalent"),
            (at(1.0, 1.1), BELOW, "contradicted"),
            (at(0.8, 1.2), BELOW, "inconclusive"),
            (at(-1.1, 1.1, (-0.9, 0.9)), INSIDE, "equivalent"),
            (at(2, 3), INSIDE, "contradicted"),
            (at(0, 3), INSIDE, "inconclusive"),
            (Estimate(1.0, None, None), TRUE, "supported"),
            (Estimate(0.999, None, None), TRUE, "contradicted"),
            (Estimate(None, None, None), ABOVE, "inconclusive"),
        ],
    )
    def test_results(self, found, rule, word):
        assert result(found, rule) == word

    @pytest.mark.parametrize(
        ("words", "verdict_"),
        [
            ("supported supported", "holds"),
            ("supported contradicted", "holds in some regimes"),
            ("supported equivalent", "holds in some regimes"),
            ("contradicted inconclusive", "does not hold as stated"),
            ("equivalent equivalent", "does not hold as stated"),
            ("supported inconclusive", "inconclusive"),
            ("inconclusive", "inconclusive"),
        ],
    )
    def test_verdicts(self, words, verdict_):
        assert verdict([(Result(word), BELOW) for word in words.split()], [True]) == verdict_

    def test_equivalence_is_what_a_claim_of_equivalence_says(self):
        assert verdict([(Result.EQUIVALENT, INSIDE)], []) == Verdict.HOLDS

    def test_a_failed_control_or_too_few_valid_runs_leave_no_verdict(self):
        assert verdict([(Result.SUPPORTED, ABOVE)], [True, False]) == Verdict.INVALID
        assert verdict([(Result.SUPPORTED, ABOVE)], [True], enough=False) == Verdict.INVALID

    def test_a_control_passes_with_all_of_its_interval(self):
        assert passes(at(0.48, 0.52), 0.5, 0.03)
        assert not passes(at(0.46, 0.52), 0.5, 0.03)
        assert passes(Estimate(1.0, None, None), 1.0, 0.0)
        assert not passes(Estimate(None, None, None), 1.0, 1.0)

    def test_sensitivity_equals_judging_at_every_threshold(self):
        found, rules = [at(0.2, 0.4), at(0.3, 0.7)], [ABOVE, ABOVE]
        pieces = sensitivity(ABOVE, found, rules, [True], True)
        assert pieces[0].verdict == Verdict.HOLDS
        assert pieces[-1].verdict == Verdict.NOT
        for threshold in np.linspace(0.1, 0.79, 200):
            own = Rule("above", threshold)
            now = verdict([(result(one, own), own) for one in found], [True])
            assert any(piece.low <= threshold <= piece.high and piece.verdict == now for piece in pieces)

    def test_sensitivity_of_equivalence_scales_the_margin(self):
        pieces = sensitivity(INSIDE, [at(-0.5, 0.5)], [INSIDE], [], True)
        assert [piece.verdict for piece in pieces] == [Verdict.INCONCLUSIVE, Verdict.HOLDS]
        assert pieces[0].low == 0
        assert pieces[0].high == pytest.approx(0.5)
        assert pieces[-1].high > 1

    def test_sensitivity_has_the_threshold_that_was_fixed_also_far_from_all_intervals(self):
        (first, *_, last) = sensitivity(ABOVE, [at(0.9, 0.92)], [ABOVE], [], True)
        assert first.low < 0.5 < first.high
        assert last.high > 0.92

    def test_regimes_with_a_rule_of_their_own_keep_it(self):
        found = [at(0.2, 0.4), at(0.3, 0.7), Estimate(1.0, None, None)]
        alone = sensitivity(ABOVE, found[:2], [ABOVE, ABOVE], [], True)
        beside = sensitivity(ABOVE, found, [ABOVE, ABOVE, TRUE], [], True)
        assert [piece.verdict for piece in alone] == [Verdict.HOLDS, Verdict.INCONCLUSIVE, Verdict.NOT]
        assert beside == [*alone[:2], alone[2]._replace(verdict=Verdict.SOME)]

    def test_statements_have_no_curve(self):
        assert sensitivity(TRUE, [Estimate(1.0, None, None)], [TRUE], [], True) == []
        assert sensitivity(ABOVE, [at(0, 1)], [BELOW], [], True) == []


@pytest.fixture(autouse=True)
def _devices_are_there(monkeypatch):
    """A process of tests has its devices already."""
    monkeypatch.setattr("mnemo_jax.cli._start_jax", lambda _: "cpu")


@pytest.fixture
def coins(tmp_path, monkeypatch, request):
    """A folder of one claim with its experiment beside it, as a researcher would have them."""
    monkeypatch.chdir(tmp_path)
    module = f"coins_{abs(hash(request.node.name))}"
    (tmp_path / f"{module}.py").write_text(EXPERIMENT)
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "coins.toml").write_text(CLAIM.format(id="K1", module=module))
    return folder


def run(*words):
    return CliRunner().invoke(cli.app, ["claims", *map(str, words)])


def told(folder, *words):
    ran = run(folder, "--json", *words)
    return ran, json.loads(ran.stdout)["claims"]


def runs_of(folder):
    module = (folder / "coins.toml").read_text().split('experiment = "')[1].split(":")[0]
    return __import__(module).RUNS


class TestClaims:
    def test_a_researchers_own_claim(self, coins):
        ran, (claim,) = told(coins)
        assert ran.exit_code == 0
        assert claim["verdict"] == "holds in some regimes"
        assert claim["corrected"] == "Bent coins show heads."
        assert [one["result"] for one in claim["regimes"]] == ["supported", "contradicted"]
        assert claim["controls"][0]["passed"]
        assert claim["n"] == 800
        assert claim["valid_share"] == 1.0

    def test_the_same_again_is_the_same_bytes_and_runs_nothing(self, coins):
        run(coins)
        first = (coins.parent / "runs/claims-smoke/verdicts.json").read_bytes()
        ran = list(runs_of(coins))
        run(coins)
        assert (coins.parent / "runs/claims-smoke/verdicts.json").read_bytes() == first
        assert runs_of(coins) == ran == [1.0, 0.8, 0.2]  # controls first
        run(coins, "--fresh")
        assert (coins.parent / "runs/claims-smoke/verdicts.json").read_bytes() == first
        assert len(runs_of(coins)) == 6

    def test_sizes_have_records_of_their_own(self, coins):
        run(coins)
        _, (claim,) = told(coins, "--size", "standard")
        assert claim["n"] == 8000
        ran, (claim,) = told(coins, "--size", "full")
        assert ran.exit_code == 1
        assert "no numbers for the size 'full'" in claim["reason"]

    def test_a_threshold_changed_after_the_run_decides_nothing(self, coins):
        run(coins)
        path = coins / "coins.toml"
        path.write_text(path.read_text().replace("threshold = 0.5", "threshold = 0.1"))
        ran, (claim,) = told(coins)
        assert ran.exit_code == 1
        assert claim["verdict"] is None
        assert "its file has changed since" in claim["reason"]
        _, (claim,) = told(coins, "--fresh")
        assert claim["verdict"] is None
        assert "since it was run with seed 10001; give it a seed that no run has used" in claim["reason"]
        path.write_text(path.read_text().replace("seed = 10001", "seed = 10002"))
        assert told(coins, "--fresh")[1][0]["verdict"] == "holds"
        path.write_text(path.read_text().replace("threshold = 0.1", "threshold = 0.3").replace("10002", "10001"))
        assert "seed 10001" in told(coins, "--fresh")[1][0]["reason"]  # earlier runs are remembered
        for rows in (coins.parent / "runs/claims-smoke/K1/rows").iterdir():
            rows.unlink()  # as after a kill before the first regime is done
        assert "seed 10001" in told(coins)[1][0]["reason"]

    def test_an_experiment_changed_after_the_run_decides_nothing(self, coins):
        run(coins)
        module = __import__((coins / "coins.toml").read_text().split('experiment = "')[1].split(":")[0])
        Path(module.__file__).write_text(EXPERIMENT + "# another coin\n")
        assert "the module of its experiment has changed" in told(coins)[1][0]["reason"]
        assert told(coins, "--fresh")[1][0]["verdict"] == "holds in some regimes"

    def test_runs_none_of_which_is_valid_say_nothing(self):
        for estimand in ESTIMANDS:
            nothing = Measurement(value=[np.nan] * 5, other=[1.0] * 5, ended=[True] * 5).rows()
            found = estimate(estimand, nothing, 0.95)
            assert (found.value, found.interval, found.note) == (None, None, "no run is valid")

    def test_a_claim_that_differs_from_its_lock_decides_nothing(self, coins):
        assert run(coins, "--lock").exit_code == 0
        assert told(coins)[1][0]["verdict"] == "holds in some regimes"
        path = coins / "coins.toml"
        path.write_text(path.read_text().replace("seed = 10001", "seed = 10002"))
        _, (claim,) = told(coins, "--fresh")
        assert claim["verdict"] is None
        assert "lock.json fixed it as" in claim["reason"]

    def test_an_experiment_that_fails_keeps_what_was_done(self, coins):
        (coins.parent / "runs/claims-smoke/K1").mkdir(parents=True)
        (coins.parent / "runs/claims-smoke/K1/stop").write_text("")
        ran, (claim,) = told(coins)
        assert ran.exit_code == 1
        assert claim["reason"] == "regime 'bent the other way': the coin rolled away"
        (coins.parent / "runs/claims-smoke/K1/stop").unlink()
        ran, (claim,) = told(coins)
        assert claim["verdict"] == "holds in some regimes"
        assert runs_of(coins) == [1.0, 0.8, 0.2, 0.2]

    def test_only_one_is_run_and_the_others_are_listed(self, coins):
        other = (coins / "coins.toml").read_text().replace('"K1"', '"K2"')
        (coins / "more.toml").write_text(other)
        ran, claims = told(coins, "--only", "K2")
        assert ran.exit_code == 0
        assert [claim["verdict"] for claim in claims] == [None, "holds in some regimes"]
        assert claims[0]["reason"] == "not run yet"
        ran = run(coins, "--only", "K3")
        assert ran.exit_code == 2
        assert "has no such claim (known: K1, K2)" in ran.stderr
        assert "Not run yet: 1 of 2 claims." in run(coins, "--only", "K2").stdout

    def test_a_column_that_is_missing_ends_no_other_claim(self, coins):
        other = (coins / "coins.toml").read_text().replace('"K1"', '"K2"').replace('"share"', '"auc"')
        (coins / "more.toml").write_text(other)
        ran, claims = told(coins)
        assert ran.exit_code == 1
        assert [claim["verdict"] for claim in claims] == ["holds in some regimes", None]
        assert "estimand 'auc': the experiment returned no `other`" in claims[1]["reason"]

    def test_a_size_that_is_none_is_refused(self, coins):
        ran = run(coins, "--size", "standart")
        assert ran.exit_code == 2
        assert "--size standart: no such size; did you mean 'standard'?" in ran.stderr
        assert not (coins.parent / "runs").exists()

    def test_every_run_is_kept_and_told(self, coins):
        _, (claim,) = told(coins)
        own, claims, home = carry_out.carry_out(coins, coins.parent / "runs", "smoke")
        assert [len(one.kept.rows) for one in claims[0].regimes] == [one["n"] for one in claim["regimes"]] == [400, 400]
        (figure,) = claims[0].regimes[0].kept.illustrations
        assert len(figure.series[0].x) == 400
        assert own.comparisons == 1
        assert home.name == "claims-smoke"

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ("estimand =", "estimant =", "estimant: unknown key; did you mean 'estimand'?"),
            ('"share"', '"shares"', "estimand: none is called 'shares'; did you mean 'share'"),
            ('"above"', '"inside"', "direction 'inside' needs a margin"),
            ("threshold = 0.5", "", "direction 'above' needs a threshold"),
            ('"above"', '"true"', "estimand 'all' and direction 'true' belong together"),
            ('"bent the other way"', '"bent"', "two regimes or controls are called 'bent'"),
            ("seed = 10001", "seed = 17", "17 is among the exploratory seeds 0 to 999"),
            ('when = { "bent"', 'when = { "bend"', "no regime is called 'bend'; did you mean 'bent'"),
            ('"share"', '"ratio"', "estimand 'ratio' compares arms; name them in [arms]"),
            ("args = { chance = 0.8 }", "args = { chances = 0.8 }", "does not take what a regime and a size give it"),
            ("args = { chance = 0.8 }", "args = { chance = 'high' }", "raised UFuncTypeError"),
            (":measure", ":measured", "has no 'measured'; did you mean 'measure'"),
            ('"Coins"', "3", "title: input should be a valid string, got 3"),
        ],
    )
    def test_mistakes_end_with_one_sentence(self, coins, old, new, sentence):
        path = coins / "coins.toml"
        path.write_text(path.read_text().replace(old, new))
        ran = run(coins)
        assert ran.exit_code in (1, 2)
        assert sentence in ran.stderr.replace("\n", " ") + ran.stdout.replace("\n", " ")
        assert "Traceback" not in ran.stderr

    def test_folders_without_claims_are_said(self, tmp_path):
        assert "no such folder of claims" in run(tmp_path / "none").stderr
        assert "holds no claims" in run(tmp_path).stderr

    def test_the_hash_has_all_that_was_fixed(self, coins):
        own, (claim,) = read_set(coins)
        assert fixed(claim, own) == fixed(read_set(coins)[1][0], own)
        assert fixed(claim, replace(own, comparisons=2)) != fixed(claim, own)
        assert fixed(claim, replace(own, title="Other words")) == fixed(claim, own)
        assert fixed(replace(claim, min_valid_share=0.9), own) != fixed(claim, own)


class TestSets:
    def test_a_set_shares_its_error_among_more_claims_than_ran(self, coins):
        (coins / "set.toml").write_text('name = "coins"\ntitle = "Coins"\ncomparisons = 37\n')
        own, _ = read_set(coins)
        assert own.level == pytest.approx(1 - 0.05 / 37)
        _, (claim,) = told(coins)
        np.testing.assert_allclose(
            claim["regimes"][0]["interval"],
            stats.binomtest(round(400 * claim["regimes"][0]["estimate"]), 400).proportion_ci(1 - 0.05 / 37, "wilson"),
        )

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            ("comparisons = 0", "comparisons: input should be greater than or equal to 1"),
            ("comparisons = 2\n[[text]]\nsays = 'a'\nclaims = ['K9']", "no claim has the id 'K9'"),
            ("comparisons = 2\n[[text]]\nsays = 'a'", "names neither claims nor a reason"),
            ("comparisons = 2\nexploratory = [10000, 20000]", "10001 is among the exploratory seeds"),
        ],
    )
    def test_mistakes(self, coins, line, sentence):
        (coins / "set.toml").write_text(f'name = "coins"\ntitle = "Coins"\n{line}\n')
        assert sentence in run(coins).stderr.replace("\n", " ")

    def test_every_estimand_is_documented_in_words(self):
        assert set(ESTIMANDS) >= {"all", "share", "share_ended", "ratio", "correlation"}
        assert TypeAdapter(Set).json_schema()["properties"].keys() == {
            "name",
            "title",
            "about",
            "comparisons",
            "exploratory",
            "text",
        }


def test_illustrations_keep_at_most_so_many_points(tmp_path, coins):
    own, (claim,) = read_set(coins)
    series = Series(name="all", x=np.arange(3 * MOST), y=np.arange(3.0 * MOST))
    heat = Heat(x=[0.0, 1.0], y=[0.0], z=np.array([[1.0, np.nan]]))
    shown = Illustration(title="t", caption="c", x="x", y="y", series=(series,), heat=heat)
    carry_out.ledger.keep(tmp_path, 0, claim.regimes[0], Measurement(value=[1.0], illustrations=(shown,)))
    (read,) = carry_out.ledger.kept(tmp_path, 0, claim.regimes[0]).illustrations
    assert len(read.series[0].x) == MOST
    assert read.heat.z == [[1.0, None]]
    assert own.name == "claims"
