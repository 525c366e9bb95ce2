"""What can go wrong between a text and its stars.

ScoringError
├── TextError      the caller's text cannot be scored; ``code`` names why
└── BundleError    a bundle cannot be read, written or trusted; the message is one line that says what to do
"""


class ScoringError(Exception):
    """Base of every error that scoring raises on purpose."""


class TextError(ScoringError):
    """A text that has no score.

    ``code`` is a stable identifier for programs, ``str(error)`` a sentence for people, and ``index`` the text's
    position where it came in a list.
    """

    def __init__(self, code: str, reason: str, *, index: int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.index = index


class BundleError(ScoringError):
    """A bundle that must not be served; the message is one line."""
