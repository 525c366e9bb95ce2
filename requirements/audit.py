"""Ask pip-audit for known vulnerabilities of what is locked, and do not take "nobody knows" for "none".

    python requirements/audit.py requirements/*.txt [-- pip-audit's own options, as --vulnerability-service osv]

Exits 0 when all were looked up and none has any, 1 when some have, 2 when some could not be looked up. pip-audit by
itself ends with 0 where an index serves packages and no advisories.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def audit(lock: Path, options: list[str]) -> list[dict[str, Any]] | None:
    """Return what is said of each requirement in ``lock``, or None if nothing was."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
    ended = subprocess.run(
        [*command, "-f", "json", "-r", str(lock), *options], capture_output=True, text=True, check=False
    )
    try:
        found: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        print(f"{lock}: {(ended.stderr.strip().splitlines() or ['pip-audit said nothing'])[-1]}", file=sys.stderr)
        return None
    return found


def report(lock: Path, found: list[dict[str, Any]]) -> int:
    """Print what was found in one file; return the exit status that it asks for."""
    for each in found:
        for vulnerability in each.get("vulns", []):
            fixed = ", ".join(vulnerability["fix_versions"]) or "nowhere yet"
            print(f"{lock}: {each['name']} {each['version']} has {vulnerability['id']}; fixed in {fixed}")
    unknown = [each["name"] for each in found if "skip_reason" in each]
    if unknown:
        named = f": {', '.join(unknown)}" if len(unknown) < len(found) else ""
        print(f"{lock}: NOT audited, nothing is known here of {len(unknown)} of {len(found)} packages{named}")
    vulnerable = any(each.get("vulns") for each in found)
    if not unknown and not vulnerable:
        print(f"{lock}: {len(found)} packages, no known vulnerabilities")
    return 1 if vulnerable else 2 if unknown else 0


def main(arguments: list[str]) -> int:
    """Audit the files that are named; return the exit status."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    statuses = set()
    for lock in map(Path, arguments[:cut]):
        found = audit(lock, arguments[cut + 1 :])
        statuses.add(2 if found is None else report(lock, found))
    # Some that are known are worse than some that are not.
    return 1 if 1 in statuses else 2 if statuses != {0} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
