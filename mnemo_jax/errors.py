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
    """Return ``"; did you mean 'x'?"`` for the closest known word, else the list of known words."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f" (known: {', '.join(names)})" if names else ""
