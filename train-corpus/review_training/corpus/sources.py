"""The files of a corpus: what state each is in, and which are read together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from review_scorer.corpora.places import files_at
from review_scorer.corpora.reviews import Source

_BATCH = 8_000_000
"""Files up to so many bytes together are read as one; about as much as a shard of reviews takes."""

_CHANGED = ("etag", "ETag", "mtime", "LastModified")
"""What file systems call that which is new when a file is: gcsfs and s3fs differ."""


class Stamp(NamedTuple):
    """What tells one state of a source from another, as far as can be seen without reading it."""

    name: str
    bytes: int
    changed: str


def stamp(source: Source) -> Stamp:
    """Return the state of a source; that of a directory is its files'."""
    if isinstance(source, str):
        files, path = files_at(source)
        info = files.info(path)
        return Stamp(
            source, int(info.get("size") or 0), next((str(info[name]) for name in _CHANGED if info.get(name)), "")
        )
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
