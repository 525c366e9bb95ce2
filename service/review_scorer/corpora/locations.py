"""Locations of files: local paths and URLs, which both have the interface of ``pathlib.Path``."""

from pathlib import Path
from typing import TYPE_CHECKING, Union

from review_scorer.corpora.errors import CorpusError

if TYPE_CHECKING:
    from upath import UPath

Location = Union[Path, "UPath"]
"""A local path, or a URL such as ``gs://bucket/reviews.csv.gz``."""


def location(text: str) -> Location:
    """Return the location of a path or URL.

    Raises ``CorpusError`` if the packages for URLs, or for the protocol of this one, are not installed.
    """
    if "://" not in text:
        return Path(text)
    try:
        # Imported here: it takes 0.15 s and its packages, and only URLs need it.
        from upath import UPath  # noqa: PLC0415

        url = UPath(text)
        _ = url.fs  # imports the package of the protocol
    except (ImportError, ValueError) as error:
        extras = "URLs need the extra `training`, gs:// also `gs` and s3:// also `s3`"
        raise CorpusError(f"cannot access {text}: {error}; {extras}") from None
    return url


def expand(argument: str) -> list[Location]:
    """Return the locations that a path, a URL or a glob pattern of either names, sorted by name.

    Raises ``CorpusError`` if there are none.
    """
    pattern = location(argument)
    if pattern.exists():
        return [pattern]
    root = pattern.parents[-1]
    try:
        found: list[Location] = sorted(root.glob(str(pattern.relative_to(str(root)))))
    except ValueError as error:
        raise CorpusError(f"cannot read {argument}: {error}") from None
    if not found:
        raise CorpusError(f"cannot read {argument}: No such file, and as a pattern it matches none")
    return found


def is_directory(place: Location) -> bool:
    """Whether ``place`` is a local directory; an object store has only files."""
    return isinstance(place, Path) and place.is_dir()
