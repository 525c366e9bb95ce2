"""Restarts the pods of a Deployment when the bundle on its volume has changed, from inside the cluster.

    python train-corpus/rollout.py --bundle /data/bundle --deployment review-scorer

The digest of the bundle becomes an annotation of the Deployment's pod template: a new digest starts a rollout, the same
one changes nothing. A bundle that cannot be loaded is not rolled out. The exit status is 0, or 2 after an error.
"""

import argparse
import json
import os
import ssl
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from review_scorer.scoring.bundle import load as load_bundle
from review_training.command import CommandError, new_parser, run_command

# The path of the token in each pod: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_ANNOTATION = "review-scorer/bundle"
_SECONDS = 30


class RolloutError(CommandError):
    """The Kubernetes API could not be reached, or refused; the message gives the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = new_parser("rollout.py", __doc__)
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle that new pods copy")
    parser.add_argument("--deployment", required=True, metavar="NAME", help="in the namespace of this pod")
    parser.add_argument(
        "--account", type=Path, default=_ACCOUNT, metavar="DIR", help="token, certificate and namespace of this pod"
    )
    return run_command(parser, arguments, _run, failed=2)


def _run(options: argparse.Namespace) -> int:
    digest = load_bundle(options.bundle).digest
    annotate(options.deployment, digest, account=options.account)
    print(f"{options.deployment} serves the bundle {digest[:12]} from its next pods on")
    return 0


def annotate(deployment: str, digest: str, *, account: Path) -> None:
    """Write the digest into the pod template of the Deployment.

    Raises ``RolloutError`` if the API refuses or sends no HTTP, ``OSError`` if it cannot be reached.
    """
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
    if not host:
        raise RolloutError("not in a pod of a cluster: KUBERNETES_SERVICE_HOST is not set")
    namespace, token = ((account / name).read_text().strip() for name in ("namespace", "token"))
    trusted = ssl.create_default_context(cafile=account / "ca.crt")
    with closing(HTTPSConnection(host, int(port or 443), timeout=_SECONDS, context=trusted)) as connection:
        try:
            connection.request(
                "PATCH",
                f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}",
                json.dumps({"spec": {"template": {"metadata": {"annotations": {_ANNOTATION: digest}}}}}),
                {"Authorization": f"Bearer {token}", "Content-Type": "application/strategic-merge-patch+json"},
            )
            response = connection.getresponse()
            content = response.read()
        except HTTPException as error:
            raise RolloutError(f"the Kubernetes API sent no HTTP response: {error!r}") from None
    if response.status != 200:
        raise RolloutError(f"the Kubernetes API refused: {response.status}: {_reason(content)}")


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
