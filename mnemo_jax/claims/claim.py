"""Claims as files: what a sentence means, how it is tested, and what would decide it, all written before the run."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from mnemo_jax.claims.estimands import ESTIMANDS, PAIRED
from mnemo_jax.claims.verdict import Result, Rule, Verdict
from mnemo_jax.config import STRICT, read_toml, sentence
from mnemo_jax.errors import UserError, did_you_mean

SET = "set.toml"
LOCK = "lock.json"
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=40)]
Text = Annotated[str, Field(min_length=1)]
Size = Literal["smoke", "standard", "full"]
Direction = Literal["above", "below", "inside", "true"]
Margin = tuple[float, float]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Regime:
    """``[[regimes]]``: arguments of the experiment under which the claim is tested.

    ``estimand``, ``direction``, ``threshold`` and ``margin`` are the claim's where they are left out.
    """

    name: Text
    args: dict[str, Any] = Field(default_factory=dict)
    estimand: str | None = None
    direction: Direction | None = None
    threshold: float | None = None
    margin: Margin | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Control:
    """``[[controls]]``: arguments under which the answer is known, to within ``tolerance``."""

    name: Text
    args: dict[str, Any] = Field(default_factory=dict)
    expected: float
    tolerance: Annotated[float, Ge(0)] = 0.0
    estimand: str | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Corrected:
    """``[[corrected]]``: what the sentence should say where the verdict and the results of named regimes are these."""

    sentence: Text
    verdict: Verdict | None = None
    when: dict[str, Result] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Arms:
    """``[arms]``: what is compared, in words; every start is followed in both."""

    treatment: Text
    control: Text


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Claim:
    """A claim as its file says it.

    Attributes:
        id: its short name.
        title: a few words.
        says: what people say, in our words.
        sentence: the tested sentence, in which every word has a number.
        estimand: what is estimated in each regime, one of `ESTIMANDS`.
        measure: the estimand in words, with its unit.
        direction, threshold, margin: what the interval is held against, see `verdict.Rule`.
        experiment: ``package.module:function``, which returns a `Measurement` for the arguments of a regime, the
            numbers of a size, a ``seed`` and the folder ``out`` for its records.
        unit: of inference, "start" or what starts share.
        pairing: what the arms have in common.
        seed: of the run that counts.
        sizes: numbers for the experiment, by size.
        min_valid_share: of the runs of a regime, below which there is no verdict.
        line: the analytic argument, or the limits of the test, in a sentence or two.
        sources: papers.
    """

    id: Name
    title: Text
    says: Text
    sentence: Text
    experiment: Text
    estimand: str
    measure: Text
    direction: Direction
    threshold: float | None = None
    margin: Margin | None = None
    unit: Text = "start"
    pairing: str = ""
    arms: Arms | None = None
    seed: Annotated[int, Ge(0), Le(2**63 - 1)]
    sizes: dict[Size, dict[str, Any]]
    min_valid_share: Annotated[float, Ge(0), Le(1)] = 0.95
    regimes: Annotated[tuple[Regime, ...], Field(min_length=1)]
    controls: tuple[Control, ...] = ()
    corrected: tuple[Corrected, ...] = ()
    line: str = ""
    sources: tuple[str, ...] = ()

    def rule(self, regime: Regime | None = None) -> Rule:
        """Return what a regime's interval is held against; without one the claim's own rule."""
        regime = regime or Regime(name=self.title)
        own = regime.direction or self.direction
        threshold = regime.threshold if regime.threshold is not None else self.threshold
        margin = regime.margin if regime.margin is not None else self.margin
        return Rule(own, threshold if own in ("above", "below") else None, margin if own != "true" else None)

    def estimand_of(self, part: Regime | Control) -> str:
        """Return what is estimated in a regime or control."""
        return part.estimand or self.estimand

    @model_validator(mode="after")
    def _fits(self) -> "Claim":
        names = [*(regime.name for regime in self.regimes), *(control.name for control in self.controls)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two regimes or controls are called {twice[0]!r}")
        parts: tuple[Regime | Control, ...] = (*self.regimes, *self.controls)
        for part in parts:
            own = self.estimand_of(part)
            if own not in ESTIMANDS:
                raise ValueError(f"estimand: none is called {own!r}{did_you_mean(own, ESTIMANDS)}")
            if own in PAIRED[:3] and self.arms is None:
                raise ValueError(f"estimand {own!r} compares arms; name them in [arms] treatment and control")
        for regime in self.regimes:
            self._judged(regime)
        for one in self.corrected:
            if unknown := set(one.when) - {regime.name for regime in self.regimes}:
                word = sorted(unknown)[0]
                raise ValueError(f"corrected.when: no regime is called {word!r}{did_you_mean(word, names)}")
        return self

    def _judged(self, regime: Regime) -> None:
        rule, own = self.rule(regime), self.estimand_of(regime)
        if (own == "all") != (rule.direction == "true"):
            raise ValueError(f"regime {regime.name!r}: estimand 'all' and direction 'true' belong together")
        if rule.direction in ("above", "below") and rule.threshold is None:
            raise ValueError(f"regime {regime.name!r}: direction {rule.direction!r} needs a threshold")
        if rule.direction == "inside" and rule.margin is None:
            raise ValueError(f"regime {regime.name!r}: direction 'inside' needs a margin")
        if rule.margin is not None and rule.margin[0] >= rule.margin[1]:
            raise ValueError(f"regime {regime.name!r}: a margin goes from a smaller number to a larger one")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Sentence:
    """``[[text]]``: a sentence of the text that is tested, in our words.

    ``claims`` names those that test it; without any, ``reason`` says why it is not tested.
    """

    says: Text
    claims: tuple[Name, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Set:
    """``set.toml``: what the claims of a folder have in common.

    Attributes:
        name: of the folder of records.
        title, about: for the page; ``about`` says what the numbers are worth, and where not to carry them.
        comparisons: claims among which the error is shared: intervals are at 1 - 0.05 / comparisons.
        exploratory: first and last seed that thresholds were found with; a verdict takes none of them.
        text: the text tested, sentence by sentence.
    """

    name: Name
    title: Text
    about: str = ""
    comparisons: Annotated[int, Ge(1)]
    exploratory: tuple[int, int] = (0, 999)
    text: tuple[Sentence, ...] = ()

    @property
    def level(self) -> float:
        """The confidence of every interval."""
        return 1 - 0.05 / self.comparisons


def read_set(folder: Path) -> tuple[Set, list[Claim]]:
    """Return what a folder's claims have in common, and the claims in order of their names.

    A folder without ``set.toml`` is a set of its own, named after the folder, whose claims share the error.

    Raises:
        UserError: file, key and value of the first mistake.
    """
    if folder.is_file():
        raise UserError(f"{folder}: is a file; give its folder, {folder.parent}, and --only with a claim's id")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of claims")
    claims = sorted((_parsed(Claim, path) for path in sorted(folder.glob("*.toml")) if path.name != SET), key=_order)
    if not claims:
        raise UserError(f"{folder}: holds no claims; write one as a .toml file")
    path = folder / SET
    name = folder.resolve().name
    own: Set = _parsed(Set, path) if path.exists() else Set(name=name, title=name, comparisons=len(claims))
    _check(folder, own, claims)
    return own, claims


def _check(folder: Path, own: Set, claims: list[Claim]) -> None:
    names = [claim.id for claim in claims]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{folder}: two claims have the id {twice[0]!r}")
    if len(claims) > own.comparisons:
        raise UserError(f"{folder / SET}: comparisons: {own.comparisons} are fewer than its {len(claims)} claims")
    for part in own.text:
        if unknown := set(part.claims) - set(names):
            word = sorted(unknown)[0]
            raise UserError(f"{folder / SET}: text: no claim has the id {word!r}{did_you_mean(word, names)}")
        if not part.claims and not part.reason:
            raise UserError(f"{folder / SET}: text: {part.says!r} names neither claims nor a reason for none")
    low, high = own.exploratory
    for claim in claims:
        if low <= claim.seed <= high:
            raise UserError(
                f"{folder}: {claim.id}: seed: {claim.seed} is among the exploratory seeds {low} to {high}; "
                "a verdict needs one that no threshold was found with"
            )


def _order(claim: Claim) -> tuple[str, int, str]:
    letters = claim.id.rstrip("0123456789")
    return letters, int(claim.id[len(letters) :] or 0), claim.id


def _parsed(kind: Any, path: Path) -> Any:
    table = read_toml(path)
    if table.keys() >= {"loss", "starts"}:
        raise UserError(f"{path}: is the config of a run, not a claim; `mnemo run` carries it out")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        raise UserError(f"{path}: {_said(sentence(error, {'$defs': {}} | TypeAdapter(kind).json_schema()))}") from error


def _said(words: str) -> str:
    return words.replace("value error, ", "").partition(", got {")[0].removeprefix("config: ")


def fixed(claim: Claim, own: Set) -> str:
    """Return the SHA-256 of all that was fixed before the run: the claim, and among how many the error is shared."""
    table = TypeAdapter(Claim).dump_python(claim, mode="json") | {"comparisons": own.comparisons}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()
