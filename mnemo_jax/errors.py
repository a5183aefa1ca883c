"""The errors a person sees: one sentence each, with the exit code the command ends with."""

import difflib
from collections.abc import Iterable


class MnemoError(Exception):
    """Something failed that the user did not cause; the command ends with code 1."""

    exit_code = 1


class UserError(MnemoError):
    """A mistake in what the user asked for; the command ends with code 2."""

    exit_code = 2


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known words it may stand for, else the list of known words."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    close += [name for name in names if len(word) > 1 and _abbreviates(word, name) and name not in close]
    if close:
        return f"; did you mean {' or '.join(map(repr, close[:3]))}?"
    return f" (known: {', '.join(names)})" if names else ""


def _abbreviates(word: str, name: str) -> bool:
    """Whether a word is the beginning of a name or of its parts, as ``cosine`` and ``lr`` are."""
    return name.startswith(word) or word == "".join(part[:1] for part in name.split("_"))
