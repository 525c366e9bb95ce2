"""Let a Deployment take up the bundle on its volume, from inside the cluster.

    python train-corpus/rollout.py --bundle /data/bundle --deployment review-scorer

The bundle's digest becomes an annotation of the Deployment's pods: a new one is a rollout, the same changes nothing.
A bundle that cannot be loaded is not rolled out. The exit status is 0, or 2 when it could not be done.
"""

import argparse
import json
import os
import ssl
import sys
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError

# Where every pod with a token has it: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_ANNOTATION = "review-scorer/bundle"
_SECONDS = 30


class RolloutError(Exception):
    """The cluster was not reached, or refused; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="what the pods copy at their start")
    parser.add_argument("--deployment", required=True, metavar="NAME", help="in the namespace of this pod")
    parser.add_argument(
        "--account", type=Path, default=_ACCOUNT, metavar="DIR", help="token, certificate and namespace of this pod"
    )
    options = parser.parse_args(arguments)
    try:
        digest = load(options.bundle).digest
        annotate(options.deployment, digest, account=options.account)
    except (BundleError, RolloutError, HTTPException, OSError) as error:
        print(f"rollout.py: {error}", file=sys.stderr)
        return 2
    print(f"{options.deployment} is to serve the bundle {digest[:12]}")
    return 0


def annotate(deployment: str, digest: str, *, account: Path) -> None:
    """Write the digest into the Deployment's pod template.

    Raises ``RolloutError`` where the cluster refuses, ``OSError`` or ``HTTPException`` where it cannot be asked.
    """
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
    if not host:
        raise RolloutError("this is no pod of a cluster: KUBERNETES_SERVICE_HOST is not set")
    namespace, token = ((account / name).read_text().strip() for name in ("namespace", "token"))
    trusted = ssl.create_default_context(cafile=account / "ca.crt")
    with closing(HTTPSConnection(host, int(port or 443), timeout=_SECONDS, context=trusted)) as connection:
        connection.request(
            "PATCH",
            f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}",
            json.dumps({"spec": {"template": {"metadata": {"annotations": {_ANNOTATION: digest}}}}}),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/strategic-merge-patch+json"},
        )
        answer = connection.getresponse()
        if answer.status != 200:
            raise RolloutError(f"the cluster refused: {answer.status}: {_reason(answer.read())}")


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
