"""Carry out a folder of claims: run what is not recorded yet, estimate, judge, and tell."""

import hashlib
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from mnemo_jax import store
from mnemo_jax.claims import ledger
from mnemo_jax.claims.claim import LOCK, Claim, Control, Regime, Set, fixed, read_set
from mnemo_jax.claims.estimands import Estimate, estimate
from mnemo_jax.claims.measurement import Measurement
from mnemo_jax.claims.verdict import Result, Rule, Verdict, passes, result, sensitivity, verdict
from mnemo_jax.errors import MnemoError, UserError, did_you_mean
from mnemo_jax.losses.function import from_path

Report = Callable[[str, str], None]
NOT_RUN = "not run yet"


class Judged(NamedTuple):
    """A regime with its runs and what they say."""

    regime: Regime
    rule: Rule
    kept: ledger.Kept
    estimate: Estimate
    result: Result

    @property
    def note(self) -> str:
        """What a reader must know of the estimate and of the runs, "" for nothing."""
        return ". ".join(filter(None, (self.estimate.note, self.kept.note)))


class Checked(NamedTuple):
    """A control with its runs and whether it showed its known answer."""

    control: Control
    kept: ledger.Kept
    estimate: Estimate
    passed: bool


class Told(NamedTuple):
    """A claim with all that is known of it.

    Attributes:
        claim, folder: the claim, and its record.
        hash: of what was fixed before the run.
        regimes, controls: as far as they were run.
        verdict: None where it could not be carried out.
        reason: why there is no verdict, or why it is invalid.
        corrected: the sentence as the evidence has it.
    """

    claim: Claim
    folder: Path
    hash: str
    regimes: tuple[Judged, ...]
    controls: tuple[Checked, ...]
    verdict: Verdict | None
    reason: str
    corrected: str


def lock(folder: Path) -> Path:
    """Write the hashes of a folder's claims beside them, so that a later change of one is seen; return the file."""
    own, claims = read_set(folder)
    store.write_json(folder / LOCK, {claim.id: fixed(claim, own) for claim in claims})
    return folder / LOCK


def carry_out(
    folder: Path,
    out: Path,
    size: str,
    only: Sequence[str] = (),
    fresh: bool = False,
    report: Report = lambda *_: None,
) -> tuple[Set, list[Told], Path]:
    """Run the claims of a folder at a size; return the set, what is known of each claim, and the folder of records.

    Args:
        folder: of the claims.
        out: receives a folder of records, named after the set and the size.
        size: whose numbers the experiments get.
        only: ids of claims to run, all when empty; of the others what was recorded before is told.
        fresh: whether to begin new records.
        report: called with a claim's id and what of it is under way.

    Raises:
        UserError: a claim's file is wrong, or there is none of an id.
    """
    own, claims = read_set(folder)
    names = [claim.id for claim in claims]
    if unknown := [name for name in only if name not in names]:
        raise UserError(f"--only {unknown[0]}: {folder} has no such claim{did_you_mean(unknown[0], names)}")
    locked = store.read_json(folder / LOCK) if (folder / LOCK).exists() else {}
    home = out / f"{own.name}-{size}"
    told = []
    for claim in claims:
        wanted = not only or claim.id in only
        told.append(_told(claim, own, home / claim.id, size, locked.get(claim.id), fresh and wanted, wanted, report))
    return own, told, home


def _told(
    claim: Claim, own: Set, folder: Path, size: str, locked: str | None, fresh: bool, wanted: bool, report: Report
) -> Told:
    now = fixed(claim, own)
    empty = Told(claim, folder, now, (), (), None, "", "")
    if size not in claim.sizes:
        return empty._replace(reason=f"it has no numbers for the size {size!r} (known: {', '.join(claim.sizes)})")
    if not wanted and not folder.exists():
        return empty._replace(reason=NOT_RUN)
    if locked not in (None, now):
        return empty._replace(
            reason=f"{LOCK} fixed it as {str(locked)[:12]} and its file now has {now[:12]}: "
            "thresholds that changed after they were fixed decide nothing"
        )
    if refused := ledger.begin(folder, claim, own, size, _code(claim), fresh):
        return empty._replace(reason=refused)
    try:
        parts = [_kept(claim, number, part, folder, size, wanted, report) for number, part in enumerate(_parts(claim))]
        if missing := [part.name for part, kept in zip(_parts(claim), parts, strict=True) if kept is None]:
            return empty._replace(reason=f"not run to its end: {missing[0]!r} is missing")
        return _judged(claim, own, empty, [kept for kept in parts if kept is not None])
    except UserError as error:
        return empty._replace(reason=str(error))
    finally:
        jax.clear_caches()  # a claim's programs serve no other, and a process may hold only so many


def _code(claim: Claim) -> str:
    """Return the hash of the module that a claim's experiment is in, "" where there is none to read."""
    try:
        source = inspect.getsourcefile(from_path(claim.experiment, "experiment"))
    except (UserError, TypeError):
        return ""  # told when it is to run
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""


def _parts(claim: Claim) -> tuple[Regime | Control, ...]:
    """Return controls first: where one fails, it is known before the long runs end."""
    return (*claim.controls, *claim.regimes)


def _kept(
    claim: Claim, number: int, part: Regime | Control, folder: Path, size: str, wanted: bool, report: Report
) -> ledger.Kept | None:
    """Return the runs of a regime or control, from the record or by running it."""
    found = ledger.kept(folder, number, part)
    if found is not None or not wanted:
        return found
    report(claim.id, part.name)
    experiment = from_path(claim.experiment, "experiment")
    arguments = {**claim.sizes[size], **part.args, "seed": claim.seed, "out": folder / "runs"}  # type: ignore[index]
    _accepts(experiment, arguments, claim)
    try:
        ledger.keep(folder, number, part, _measured(experiment, arguments, claim))
    except MnemoError as error:
        raise UserError(f"{_kind(part)} {part.name!r}: {error}") from error
    return ledger.kept(folder, number, part)


def _kind(part: Regime | Control) -> str:
    return "control" if isinstance(part, Control) else "regime"


def _accepts(experiment: Callable[..., Any], arguments: Mapping[str, Any], claim: Claim) -> None:
    try:
        inspect.signature(experiment).bind(**arguments)
    except TypeError as error:
        raise UserError(
            f"{claim.experiment} does not take what a regime and a size give it, {', '.join(arguments)}: {error}"
        ) from error


def _measured(experiment: Callable[..., Any], arguments: Mapping[str, Any], claim: Claim) -> Measurement:
    """Return what an experiment measured; what goes wrong in it is told with its place, as it is no code of ours."""
    try:
        found = experiment(**arguments)
    except MnemoError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{claim.experiment} raised {type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
        ) from error
    if not isinstance(found, Measurement):
        raise UserError(f"{claim.experiment} returned a {type(found).__name__}, not a Measurement")
    return found


def _judged(claim: Claim, own: Set, empty: Told, parts: Sequence[ledger.Kept]) -> Told:
    cut = len(claim.controls)
    controls = tuple(_checked(claim, c, kept, own) for c, kept in zip(claim.controls, parts[:cut], strict=True))
    regimes = tuple(_regime(claim, r, kept, own) for r, kept in zip(claim.regimes, parts[cut:], strict=True))
    reason = _fault(claim, regimes, controls)
    found = verdict([(one.result, one.rule) for one in regimes], [one.passed for one in controls], not reason)
    told = empty._replace(regimes=regimes, controls=controls, verdict=found, reason=reason)
    return told._replace(corrected=correction(told))


def _regime(claim: Claim, regime: Regime, kept: ledger.Kept, own: Set) -> Judged:
    found, rule = estimate(claim.estimand_of(regime), kept.rows, own.level), claim.rule(regime)
    return Judged(regime, rule, kept, found, result(found, rule))


def _checked(claim: Claim, control: Control, kept: ledger.Kept, own: Set) -> Checked:
    found = estimate(claim.estimand_of(control), kept.rows, own.level)
    return Checked(control, kept, found, passes(found, control.expected, control.tolerance))


def _fault(claim: Claim, regimes: Sequence[Judged], controls: Sequence[Checked]) -> str:
    """Return what makes a claim invalid, "" where nothing does."""
    failed = [one for one in controls if not one.passed]
    few = [one.regime.name for one in regimes if valid_share(one) < claim.min_valid_share]
    if failed:
        value, wanted = failed[0].estimate.value, failed[0].control
        shown = "nothing" if value is None else f"{value:.4g}"
        return (
            f"the control {wanted.name!r} shows {shown}, and its known answer, {wanted.expected:g} within "
            f"{wanted.tolerance:g}, does not hold all of its interval"
        )
    if few:
        return f"{few[0]!r} has fewer valid runs than the {100 * claim.min_valid_share:g} % asked for"
    return ""


def valid_share(one: Judged) -> float:
    """Return which part of a regime's runs gave an answer."""
    return float(one.kept.rows.valid.mean())


def least_valid(told: Told) -> float | None:
    """Return the least valid share of a claim's regimes, None where none was run."""
    return min(map(valid_share, told.regimes), default=None)


def runs(told: Told) -> int:
    """Return the number of runs of a claim's regimes."""
    return sum(len(one.kept.rows) for one in told.regimes)


def correction(told: Told) -> str:
    """Return the first corrected sentence whose conditions the evidence meets, else one made of the regimes' names."""
    results = {one.regime.name: one.result for one in told.regimes}
    for one in told.claim.corrected:
        fits = all(results[name] is wanted for name, wanted in one.when.items())
        if one.verdict in (None, told.verdict) and fits:
            return one.sentence
    if told.verdict is Verdict.HOLDS:
        return told.claim.sentence
    if told.verdict in (Verdict.INVALID, Verdict.INCONCLUSIVE):
        return "Not decided here."
    words = {word: [name for name, own in results.items() if own is word] for word in Result}
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in words.items() if names).capitalize() + "."


def table(told: Told) -> dict[str, Any]:
    """Return what ``--json`` says of a claim."""
    return {
        "id": told.claim.id,
        "sentence": told.claim.sentence,
        "verdict": told.verdict,
        "corrected": told.corrected,
        "reason": told.reason or None,
        "regimes": [
            {
                "name": one.regime.name,
                "estimate": one.estimate.value,
                "interval": one.estimate.interval,
                "threshold": one.rule.threshold if one.rule.threshold is not None else one.rule.margin,
                "direction": one.rule.direction,
                "result": one.result,
                "bounds": one.estimate.bounds,
                "valid_share": valid_share(one),
                "n": len(one.kept.rows),
                "clusters": clusters(one.kept),
                "note": one.note or None,
            }
            for one in told.regimes
        ],
        "controls": [
            {
                "name": one.control.name,
                "estimate": one.estimate.value,
                "interval": one.estimate.interval,
                "expected": one.control.expected,
                "tolerance": one.control.tolerance,
                "passed": one.passed,
                "n": len(one.kept.rows),
            }
            for one in told.controls
        ],
        "valid_share": least_valid(told),
        "n": runs(told),
        "sensitivity": pieces(told),
        "hash": told.hash,
    }


def pieces(told: Told) -> list[dict[str, Any]]:
    """Return the verdict for every threshold there could have been, see `verdict.sensitivity`."""
    found = sensitivity(
        told.claim.rule(),
        [one.estimate for one in told.regimes],
        [one.rule for one in told.regimes],
        [one.passed for one in told.controls],
        not told.reason,
    )
    return [{"from": piece.low, "to": piece.high, "verdict": piece.verdict} for piece in found]


def clusters(kept: ledger.Kept) -> int | None:
    """Return how many units of inference the runs of a regime are of, None where each run is one."""
    return None if kept.rows.cluster is None else len(set(kept.rows.cluster.tolist()))


def write(own: Set, told: Sequence[Told], home: Path) -> tuple[dict[str, Any], str]:
    """Write ``verdicts.json``; return what it says, and the SHA-256 of its bytes: equal evidence, equal bytes."""
    path, claims = home / "verdicts.json", [table(one) for one in told]
    words = store.strict({"set": own.name, "comparisons": own.comparisons, "claims": claims})
    store.write_json(path, words)
    return words, hashlib.sha256(path.read_bytes()).hexdigest()
