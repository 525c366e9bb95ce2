"""The files of a corpus: what state each is in, and which are read together."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from review_scorer.corpora.locations import Location

_BATCH = 8_000_000
"""Files up to so many bytes together are read as one; about as much as a shard of reviews takes."""

_CHANGED = ("etag", "ETag", "mtime", "LastModified")
"""What file systems call that which is new when a file is: gcsfs and s3fs differ."""


class Stamp(NamedTuple):
    """What tells one state of a source from another, as far as can be seen without reading it."""

    name: str
    bytes: int
    changed: str


def stamp(source: Location) -> Stamp:
    """Return the state of a source; that of a directory is its files'."""
    if not isinstance(source, Path):  # a URL: object stores have etags, and no directories
        info = source.fs.info(source.path)
        changed = next((str(info[name]) for name in _CHANGED if info.get(name)), "")
        return Stamp(str(source), int(info.get("size") or 0), changed)
    files = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
    states = [file.stat() for file in files]
    newest = max((state.st_mtime_ns for state in states), default=0)
    return Stamp(str(source.resolve()), sum(state.st_size for state in states), f"{len(files)} {newest}")


def batches(sources: Sequence[Location], stamps: Sequence[Stamp]) -> Iterator[list[Location]]:
    """Yield neighbouring sources together as long as they are small."""
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
