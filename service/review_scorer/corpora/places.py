"""Where files are: paths, patterns and URLs, and what is done with a place of any of these kinds."""

from pathlib import Path
from typing import Any

from review_scorer.corpora.reviews import CorpusError, Source


def expand(argument: str) -> list[Source]:
    """Return the places that a path, a pattern or a URL names, patterns in the order of their names.

    Raises ``CorpusError`` for one that is not there, or a pattern that matches nothing.
    """
    if "://" in argument:
        files, path = files_at(argument)
        return [files.unstrip_protocol(found) for found in sorted(files.glob(path))] or _missing(argument)
    if Path(argument).exists():
        return [Path(argument)]
    pattern = Path(argument)
    anchor = Path(pattern.anchor)
    try:
        return sorted(anchor.glob(str(pattern.relative_to(anchor)))) or _missing(argument)
    except ValueError as error:
        raise CorpusError(f"cannot read {argument}: {error}") from None


def files_at(place: Source) -> tuple[Any, str]:
    """Return fsspec's file system of a place, and the place's path in it; raise ``CorpusError`` without its package."""
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only those who read from object stores have it

        found: tuple[Any, str] = url_to_fs(str(place))
    except (ImportError, ValueError) as error:
        raise CorpusError(f"cannot read {place}: {error}; the extra `distributed` brings fsspec") from None
    return found


def name_of(place: Source) -> str:
    """Return the last part of a path or URL."""
    return Path(place).name


def within(folder: Source, name: str) -> Source:
    """Return the place called ``name`` in a folder."""
    return folder / name if isinstance(folder, Path) else f"{folder.rstrip('/')}/{name}"


def parent(place: Source) -> Source:
    """Return the folder that a place is in."""
    return place.parent if isinstance(place, Path) else place.rstrip("/").rpartition("/")[0]


def size_of(place: Source) -> int | None:
    """Return how many bytes a file has; None, if there is none."""
    files, path = files_at(place)
    return files.size(path) if files.exists(path) else None


def _missing(argument: str) -> list[Source]:
    raise CorpusError(f"cannot read {argument}: No such file, and as a pattern it matches none")
