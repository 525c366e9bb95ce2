"""Writes files atomically: readers see the old file or the complete new one."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Yield a temporary binary file beside ``path``, which replaces ``path`` at the end of the block.

    The data is synced to the disk before the rename, so ``path`` is complete after a power failure too. If the block
    raises, ``path`` is unchanged and the temporary file is deleted. Missing parent directories are created. ``mode`` is
    the permission bits of the file. Raises ``OSError`` if the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        partial = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.chmod(mode)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_write_text(path: Path) -> Iterator[TextIO]:
    """Yield a temporary UTF-8 text file that replaces ``path``, as ``atomic_write``; newlines are not translated."""
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()
