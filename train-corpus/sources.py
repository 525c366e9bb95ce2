"""Which files a corpus is: paths, patterns and URLs into one list, and that list into batches to read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from service.corpus import CorpusError, Source

_BATCH = 8_000_000
"""Files up to so many bytes together are read as one; about as much as a shard of reviews takes."""


class Stamp(NamedTuple):
    """What tells one state of a source from another, as far as can be seen without reading it."""

    name: str
    bytes: int
    changed: str


def expand(corpus: Sequence[str]) -> list[Source]:
    """Return the sources that the arguments name, patterns in the order of their names.

    Raises ``CorpusError`` for one that is not there, or a pattern that matches nothing.
    """
    return [source for argument in corpus for source in _expand(argument)]


def _expand(argument: str) -> list[Source]:
    if "://" in argument:
        files, path = _remote(argument)
        return [files.unstrip_protocol(found) for found in sorted(files.glob(path))] or _missing(argument)
    if Path(argument).exists():
        return [Path(argument)]
    pattern = Path(argument)
    anchor = Path(pattern.anchor)
    return sorted(anchor.glob(str(pattern.relative_to(anchor)))) or _missing(argument)


def _missing(argument: str) -> list[Source]:
    raise CorpusError(f"cannot read {argument}: No such file, and as a pattern it matches none")


def _remote(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only those who read from object stores have it

        found: tuple[Any, str] = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise CorpusError(f"cannot read {url}: {error}; the extra `distributed` brings fsspec") from None
    return found


def stamp(source: Source) -> Stamp:
    """Return the state of a source; that of a directory is its files'."""
    if isinstance(source, str):
        files, path = _remote(source)
        info = files.info(path)
        return Stamp(source, int(info.get("size") or 0), str(info.get("etag") or info.get("mtime") or ""))
    files = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
    states = [file.stat() for file in files]
    newest = max((state.st_mtime_ns for state in states), default=0)
    return Stamp(str(source.resolve()), sum(state.st_size for state in states), f"{len(files)} {newest}")


def batches(sources: Sequence[Source], stamps: Sequence[Stamp]) -> Iterator[list[Source]]:
    """Yield neighbouring sources together as long as they are small."""
    batch: list[Source] = []
    size = 0
    for source, state in zip(sources, stamps, strict=True):
        if batch and size + state.bytes > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(source)
        size += state.bytes
    if batch:
        yield batch
