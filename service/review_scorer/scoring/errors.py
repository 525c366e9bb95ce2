"""Errors of scoring.

ScoringError
├── TextError      a text cannot be scored; ``code`` is the reason
└── BundleError    a bundle cannot be read, written or trusted
"""


class ScoringError(Exception):
    """Base class of the errors that scoring raises."""


class TextError(ScoringError):
    """A text that cannot be scored.

    ``code`` is a stable identifier for programs, ``str(error)`` a sentence for people, and ``index`` the position of
    the text in a list of texts.
    """

    def __init__(self, code: str, reason: str, *, index: int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.index = index


class BundleError(ScoringError):
    """A bundle that cannot be used; the message is one line that names the remedy."""
