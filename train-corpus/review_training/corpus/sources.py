"""Identifies the state of a corpus' files, and groups small files into batches."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from review_scorer.corpora.locations import Location

_BATCH = 8_000_000
"""The most bytes of a batch of several files, about the size of a shard of reviews."""

_CHANGED = ("etag", "ETag", "mtime", "LastModified")
"""The keys under which file systems report a version or time of change; gcsfs and s3fs differ."""


class Stamp(NamedTuple):
    """A source's name, size and time of change, by which a changed source is noticed without reading it."""

    name: str
    bytes: int
    changed: str


def stamp(source: Location) -> Stamp:
    """Return the stamp of a source; that of a directory is over all its files."""
    if not isinstance(source, Path):  # a URL: object stores have etags, and no directories
        info = source.fs.info(source.path)
        changed = next((str(info[name]) for name in _CHANGED if info.get(name)), "")
        return Stamp(str(source), int(info.get("size") or 0), changed)
    files = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
    states = [file.stat() for file in files]
    newest = max((state.st_mtime_ns for state in states), default=0)
    return Stamp(str(source.resolve()), sum(state.st_size for state in states), f"{len(files)} {newest}")


def batches(sources: Sequence[Location], stamps: Sequence[Stamp]) -> Iterator[list[Location]]:
    """Yield the sources in order, neighbours together while their sizes add up to at most ``_BATCH``."""
    batch: list[Location] = []
    size = 0
    for source, state in zip(sources, stamps, strict=True):
        if batch and size + state.bytes > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(source)
        size += state.bytes
    if batch:
        yield batch
