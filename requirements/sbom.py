"""Write the bill of materials of the image in CycloneDX format: locked Python packages and Debian packages.

    python requirements/sbom.py build/sbom.json [PACKAGES]

PACKAGES is the output of ``dpkg-query -W`` in the image. Without it, the bill has the base image and the packages
that the Dockerfile installs, without versions. No network is used.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).parent.parent
_SYSTEM = re.compile(r"AS system\n(.*?)\nFROM ", re.DOTALL)


def python_packages() -> Bom:
    """Return the bill of the packages in ``serving.txt``, with their hashes."""
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--output-reproducible"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), str(ROOT / "requirements" / "serving.txt")]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    bom: Bom = Bom.from_json(json.loads(made.stdout))  # type: ignore[attr-defined]
    return bom


def debian_packages(listed: str) -> Iterator[Component]:
    """Yield a component for each line of ``dpkg-query -W``: name, optional architecture, tab, version."""
    for line in listed.splitlines():
        name, version = line.split("\t")
        name, _, architecture = name.partition(":")
        yield _debian(name, version, {"arch": architecture} if architecture else {})


def named_in_dockerfile(dockerfile: str) -> Iterator[Component]:
    """Yield the base image and the Debian packages that the Dockerfile installs."""
    image, _, tag = re.findall(r"(?m)^ARG BASE=(\S+)$", dockerfile)[0].partition(":")
    purl = PackageURL("docker", name=image, version=tag)
    yield Component(name=image, version=tag, type=ComponentType.CONTAINER, purl=purl, bom_ref=purl.to_string())
    for system in _SYSTEM.findall(dockerfile):
        for names in re.findall(r"apt-get install (.*?)(?:\\\n|&&|$)", system):
            yield from (_debian(name, None, {}) for name in names.split() if not name.startswith("-"))


def _debian(name: str, version: str | None, qualifiers: dict[str, str]) -> Component:
    purl = PackageURL("deb", "debian", name, version, qualifiers)
    return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=purl.to_string())


def main(target: Path, packages: Path | None = None) -> None:
    """Write the bill of materials to ``target``."""
    bom = python_packages()
    for component in (
        debian_packages(packages.read_text()) if packages else named_in_dockerfile((ROOT / "Dockerfile").read_text())
    ):
        bom.components.add(component)
    assert bom.metadata.component
    bom.register_dependency(bom.metadata.component, bom.components)
    target.parent.mkdir(parents=True, exist_ok=True)
    outputter = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
    outputter.output_to_file(str(target), allow_overwrite=True, indent=2)
    print(f"{target}: {len(bom.components)} components")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
