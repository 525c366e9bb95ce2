"""Record the responses of a checkout of the service to a fixed list of requests.

    python -m tools.replay.record --checkout . --bundle build/bundle --out answers.jsonl

Each line of the recording has one request: its server and name, the SHA-256 of the bytes sent, and the responses with
status lines, headers and bodies. The service runs in the checkout's own environment (.venv), once for each
configuration; some of them need redis-server.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from tools.replay.client import send
from tools.replay.exchange import Request
from tools.replay.requests import SETUPS
from tools.replay.servers import PREFIX, ServerError, serving


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay.record",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkout", type=Path, default=Path(), metavar="DIR", help="the checkout (default: this one)")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="the bundle (default: build/bundle of the checkout)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the recording to write")
    parser.add_argument("--only", nargs="+", choices=SETUPS, metavar="SERVER", help="record only these configurations")
    parser.add_argument(
        "--settings-from",
        type=Path,
        metavar="FILE",
        help='names of settings in an older checkout, as JSON: {"SCORER_NAME_HERE": "SCORER_NAME_THERE"}',
    )
    options = parser.parse_args(given)
    checkout = options.checkout.absolute()
    bundle = (options.bundle or checkout / "build/bundle").absolute()
    try:
        names = _setting_names(options.settings_from)
        with options.out.open("w", encoding="utf-8") as out:
            for server in options.only or SETUPS:
                _record(server, checkout, bundle, names, out)
    except (ServerError, OSError, ValueError) as error:
        print(f"record: {error}", file=sys.stderr)
        return 1
    return 0


def _setting_names(path: Path | None) -> dict[str, str]:
    """Return a map of setting names from here to the checkout, both without the prefix."""
    names: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return {here.removeprefix(PREFIX): there.removeprefix(PREFIX) for here, there in names.items()}


def _record(server: str, checkout: Path, bundle: Path, names: Mapping[str, str], out: TextIO) -> None:
    setup, began = SETUPS[server], time.monotonic()
    requests = setup.requests()
    with serving(checkout, bundle, setup, names) as (service, store):
        for request in requests:
            address = store if request.store and store else service
            line = {"server": server, "name": request.name, "sent": _digest(request), **send(address, request)}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{server}: {len(requests)} requests in {time.monotonic() - began:.0f} s")


def _digest(request: Request) -> str:
    digest = hashlib.sha256()
    for content in (*request.held, b"", *request.steps, b"cut" if request.cut else b""):
        digest.update(b"%d:%b" % (len(content), content))
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
