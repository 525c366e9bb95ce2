"""Where training keeps what it has worked out: arrays by name, in a directory or under an object store's URL.

A name is there whole or not at all, so what is there need not be made again: that is how training goes on after a kill.
"""

import io
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.atomic_write import atomic_write

Arrays = dict[str, NDArray[Any]]


class Store:
    """Arrays by name under ``root``: a path, or any URL that fsspec knows. It may be sent to other processes."""

    def __init__(self, root: str) -> None:
        self.root = root.removeprefix("file://")
        self._remote = "://" in self.root

    def has(self, name: str) -> bool:
        """Return whether everything of ``name`` was saved."""
        path = self._path(name, "done")
        return self._files().exists(path) if self._remote else Path(path).exists()

    def save(self, name: str, **arrays: NDArray[Any]) -> None:
        """Keep ``arrays`` under ``name``."""
        for key, array in arrays.items():
            self._write(self._path(name, f"{key}.npy"), array)
        self._write(self._path(name, "done"), None)

    def load(self, name: str, *keys: str) -> list[NDArray[Any]]:
        """Return the arrays ``keys`` of ``name``; from a directory they are mapped, and take no memory until used."""
        return [self._read(self._path(name, f"{key}.npy")) for key in keys]

    def remove(self, *names: str) -> None:
        """Forget these names, or everything under those that end in ``/``; with no name, the whole store."""
        for name in names or ("",):
            path = f"{self.root}/{name}".rstrip("/")
            if name.endswith("/") or not name:
                self._remove_tree(path)
            else:
                self._remove_files(path)

    def _remove_tree(self, path: str) -> None:
        if not self._remote:
            shutil.rmtree(path, ignore_errors=True)
        elif self._files().exists(path):
            self._files().rm(path, recursive=True)

    def _remove_files(self, path: str) -> None:
        if self._remote:
            for found in self._files().glob(f"{path}.*"):
                self._files().rm(found)
        else:
            for file in sorted(Path(path).parent.glob(f"{Path(path).name}.*")):
                file.unlink()

    def _path(self, name: str, ending: str) -> str:
        return f"{self.root}/{name}.{ending}"

    def _read(self, path: str) -> NDArray[Any]:
        if not self._remote:
            # An empty array cannot be mapped.
            array: NDArray[Any] = np.load(path, mmap_mode="r" if Path(path).stat().st_size > _HEADER else None)
            return array
        whole: NDArray[Any] = np.load(io.BytesIO(self._files().cat_file(path)), allow_pickle=False)
        return whole

    def _write(self, path: str, array: NDArray[Any] | None) -> None:
        if self._remote:
            buffer = io.BytesIO()
            if array is not None:
                np.save(buffer, array, allow_pickle=False)
            self._files().pipe_file(path, buffer.getvalue())
            return
        with atomic_write(Path(path), mode=0o600) as file:
            if array is not None:
                np.save(file, array, allow_pickle=False)

    def _files(self) -> Any:
        # Imported here: training on one machine does without it.
        from fsspec.core import url_to_fs  # noqa: PLC0415

        return url_to_fs(self.root)[0]


_HEADER = 128  # bytes of an .npy file that come before its values


def pack(texts: Sequence[str]) -> Arrays:
    """Return texts as two arrays; halves of surrogate pairs, which names of groups may hold, survive it."""
    encoded = [text.encode(errors="surrogatepass") for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {"bytes": np.frombuffer(b"".join(encoded), np.uint8), "ends": ends}


def unpack(content: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[str]:
    """Return the texts that ``pack`` was given."""
    whole = content.tobytes()
    return [whole[start:end].decode(errors="surrogatepass") for start, end in pairwise([0, *ends.tolist()])]
