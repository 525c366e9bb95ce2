"""Stores the results of training steps: arrays by name, in a directory or under an object store's URL.

A name exists only when all its arrays are written, so training can skip finished steps after it was killed.
"""

import io
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.corpora.locations import Location, location
from review_scorer.scoring.atomic_write import atomic_write

Arrays = dict[str, NDArray[Any]]


class Store:
    """Arrays by name under ``root``: a path, or any URL that fsspec supports. It can be pickled to other processes."""

    def __init__(self, root: str) -> None:
        self.root = root.removeprefix("file://")
        self._folder = location(self.root)

    def has(self, name: str) -> bool:
        """Return whether ``name`` was saved completely."""
        return (self._folder / f"{name}.done").exists()

    def save(self, name: str, **arrays: NDArray[Any]) -> None:
        """Save ``arrays`` under ``name``."""
        for key, array in arrays.items():
            self._write(f"{name}.{key}.npy", array)
        self._write(f"{name}.done", None)

    def load(self, name: str, *keys: str) -> list[NDArray[Any]]:
        """Return the arrays ``keys`` of ``name``; those in a directory are memory-mapped."""
        return [self._read(f"{name}.{key}.npy") for key in keys]

    def remove(self, *names: str) -> None:
        """Remove these names, and everything under those that end in ``/``; without a name, the whole store."""
        for name in names or ("",):
            path = self._folder / name
            if name and not name.endswith("/"):
                files: list[Location] = list(path.parent.glob(f"{path.name}.*"))
                for file in files:
                    file.unlink()
            elif isinstance(path, Path):
                shutil.rmtree(path, ignore_errors=True)
            elif path.exists():
                path.fs.rm(path.path, recursive=True)

    def _read(self, name: str) -> NDArray[Any]:
        path = self._folder / name
        if isinstance(path, Path):
            # An empty array cannot be memory-mapped.
            array: NDArray[Any] = np.load(path, mmap_mode="r" if path.stat().st_size > _HEADER else None)
            return array
        whole: NDArray[Any] = np.load(io.BytesIO(path.fs.cat_file(path.path)), allow_pickle=False)
        return whole

    def _write(self, name: str, array: NDArray[Any] | None) -> None:
        path = self._folder / name
        if isinstance(path, Path):
            with atomic_write(path, mode=0o600) as file:
                if array is not None:
                    np.save(file, array, allow_pickle=False)
            return
        buffer = io.BytesIO()
        if array is not None:
            np.save(buffer, array, allow_pickle=False)
        path.fs.pipe_file(path.path, buffer.getvalue())


_HEADER = 128  # bytes of an .npy file that come before its values


def pack(texts: Sequence[str]) -> Arrays:
    """Return texts as two arrays; halves of surrogate pairs, which names of groups may contain, are preserved."""
    encoded = [text.encode(errors="surrogatepass") for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {"bytes": np.frombuffer(b"".join(encoded), np.uint8), "ends": ends}


def unpack(content: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[str]:
    """Return the texts that ``pack`` packed."""
    whole = content.tobytes()
    return [whole[start:end].decode(errors="surrogatepass") for start, end in pairwise([0, *ends.tolist()])]
