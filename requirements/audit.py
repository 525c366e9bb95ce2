"""Look up known vulnerabilities of the locked packages with pip-audit; a failed lookup is an error.

    python requirements/audit.py requirements/*.txt [-- options of pip-audit, such as --vulnerability-service osv]

The exit status is 0 if there are none, 1 if there are some, 2 if a lookup failed. pip-audit alone exits with 0 if the
index serves packages but no advisories.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def audit(lock: Path, options: list[str]) -> list[dict[str, Any]] | None:
    """Return the findings for each requirement in ``lock``, or None if pip-audit failed."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
    ended = subprocess.run(
        [*command, "-f", "json", "-r", str(lock), *options], capture_output=True, text=True, check=False
    )
    try:
        found: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        print(f"{lock}: {(ended.stderr.strip().splitlines() or ['no output from pip-audit'])[-1]}", file=sys.stderr)
        return None
    return found


def report(lock: Path, found: list[dict[str, Any]]) -> int:
    """Print the findings of one file; return its exit status."""
    for each in found:
        for vulnerability in each.get("vulns", []):
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            print(f"{lock}: {each['name']} {each['version']} has {vulnerability['id']}; fixed in {fixed}")
    unknown = [each["name"] for each in found if "skip_reason" in each]
    if unknown:
        named = f": {', '.join(unknown)}" if len(unknown) < len(found) else ""
        print(f"{lock}: NOT audited: no advisories for {len(unknown)} of {len(found)} packages{named}")
    vulnerable = any(each.get("vulns") for each in found)
    if not unknown and not vulnerable:
        print(f"{lock}: {len(found)} packages, no known vulnerabilities")
    return 1 if vulnerable else 2 if unknown else 0


def main(arguments: list[str]) -> int:
    """Audit the given files; return the exit status."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    statuses = set()
    for lock in map(Path, arguments[:cut]):
        found = audit(lock, arguments[cut + 1 :])
        statuses.add(2 if found is None else report(lock, found))
    # A known vulnerability takes precedence over a failed lookup.
    return 1 if 1 in statuses else 2 if statuses != {0} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
