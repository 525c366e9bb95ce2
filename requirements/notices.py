"""Print the licences of all installed packages, to be shipped with the image."""

from importlib.metadata import Distribution, distributions
from pathlib import Path

_NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")


def notices(distribution: Distribution) -> list[Path]:
    """Return the licence files of a distribution, wherever they are (IPADIC has its own among the data files)."""
    files = distribution.files or []
    found = [Path(str(file.locate())) for file in files if Path(file.name).stem.upper().startswith(_NAMES)]
    return sorted(file for file in found if file.suffix not in {".py", ".pyc"} and file.is_file())


def main() -> None:
    """Print a section for each package, in alphabetical order."""
    for distribution in sorted(distributions(), key=lambda each: each.name.lower()):
        metadata = distribution.metadata
        licence = metadata.get("License-Expression") or metadata.get("License") or "see below"
        print(f"{'=' * 100}\n{distribution.name} {distribution.version}: {licence.splitlines()[0]}\n")
        for file in notices(distribution):
            print(f"--- {file.name}\n{file.read_text(encoding='utf-8', errors='replace')}")


if __name__ == "__main__":
    main()
