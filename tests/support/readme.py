"""Command lines in the READMEs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.running import ROOT

READMES = (ROOT / "README.md", ROOT / "README.ja.md")
PROGRAMS = {"curl", "docker", "gunicorn", "kind", "kubectl", "make", "pip", "python", "skaffold"}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+# .*$|^#.*$")


class Shown(NamedTuple):
    """A command line and the output shown below it, possibly empty."""

    command: str
    answer: str


def in_blocks(readme: Path) -> Iterator[Shown]:
    """Yield the command lines of the code blocks of a README, in order."""
    for language, block in _FENCE.findall(readme.read_text(encoding="utf-8")):
        if language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, answer = part.partition("\n")
                yield Shown(command, answer.strip())
        elif language in {"bash", "sh"}:
            yield from (Shown(line, "") for line in map(_bare, block.splitlines()) if line)


def in_sentences(readme: Path) -> Iterator[Shown]:
    """Yield the command lines in the text of a README, in order."""
    for span in re.findall(r"`([^`\n]+)`", _FENCE.sub("", readme.read_text(encoding="utf-8"))):
        program, _, rest = span.partition(" ")
        if rest and (program in PROGRAMS or program.endswith(".py")):
            yield Shown(span, "")


def _bare(line: str) -> str:
    return _COMMENT.sub("", line).strip()
