"""Atomic writes: the old file or the complete new one, and no temporary files."""

from pathlib import Path
from typing import IO

import pytest

from review_scorer.scoring.atomic_write import atomic_write, atomic_write_text


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_text_is_encoded_as_utf_8_with_its_own_newlines(tmp_path: Path) -> None:
    with atomic_write_text(tmp_path / "file") as file:
        file.write("良い\r\n")
    assert (tmp_path / "file").read_bytes() == "良い\r\n".encode()


def _write_and_raise(file: IO[bytes], error: type[BaseException]) -> None:
    file.write(b"new")
    raise error


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_temporary_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        _write_and_raise(file, error)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_renamed_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(IsADirectoryError), atomic_write(tmp_path / "directory"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]
