"""Errors that concern a whole file."""


class FileError(Exception):
    """A file that cannot be read, or not to its end.

    ``code`` is a stable identifier for programs, ``str(error)`` one line for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code

    def __reduce__(self) -> tuple[type["FileError"], tuple[str, str]]:
        return FileError, (self.code, str(self))
