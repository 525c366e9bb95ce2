"""The work directory of one training: named after all that its steps depend on, and gone when the bundle is written."""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version

from review_scorer import __version__
from review_scorer.compute.dask_client import ClusterError
from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import Location
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.tokens import fingerprint
from review_training.corpus.sources import stamp
from review_training.model.recipe import Recipe
from review_training.shards.store import Store

_STEPS_DEPEND_ON = (
    *("text_column", "stars_column", "group_column", "encoding", "scale"),
    *("dictionary", "seed", "validation", "original"),
)
_LIBRARIES = ("lightgbm", "mecab-python3", "scikit-learn", "numpy", "scipy")


class UnfinishedError(CorpusError):
    """Training that ended without a bundle, but may go on from the steps that it finished."""


@contextmanager
def work_for(options: argparse.Namespace, sources: Sequence[Location], prior: Sequence[Location]) -> Iterator[Store]:
    """Give the store of the training that ``options`` ask for: with what an earlier one, killed, left in it.

    It is removed in the end, unless training may come to one yet: it was killed or interrupted, it is unfinished in
    another way, the cluster failed, or the disk.
    """
    key = _key(options, sources, prior)
    root = _root(options, key)
    store = Store(root)
    if store.has("begun"):
        print(f"going on from the steps that are finished in {root}", file=sys.stderr)
    store.save("begun")
    try:
        yield store
    except (UnfinishedError, ClusterError, BundleError, OSError, KeyboardInterrupt):
        print(f"finished steps are kept in {root}", file=sys.stderr)
        raise
    except BrokenProcessPool:
        print(f"finished steps are kept in {root}", file=sys.stderr)
        raise UnfinishedError("one of its processes was killed, most likely for want of memory") from None
    except CorpusError:
        store.remove()
        raise
    store.remove()


def _root(options: argparse.Namespace, key: str) -> str:
    if options.work:
        return f"{options.work.rstrip('/')}/{key}"
    bundle = options.bundle.absolute()
    root = bundle.with_name(f".{bundle.name}.work-{key}")
    for other in bundle.parent.glob(f".{bundle.name}.work-*"):  # of another corpus, or of other options
        if other != root:
            shutil.rmtree(other)
    return str(root)


def _key(options: argparse.Namespace, sources: Sequence[Location], prior: Sequence[Location]) -> str:
    facts = {
        "bundle": str(options.bundle.absolute()),
        "sources": [stamp(source) for source in sources],
        "prior": [stamp(source) for source in prior],
        "options": {name: str(getattr(options, name)) for name in _STEPS_DEPEND_ON},
        "cluster": bool(options.scheduler),
        "dictionary": fingerprint(options.dictionary),
        "user_dictionary": options.user_dictionary and stamp(options.user_dictionary),
        "recipe": asdict(Recipe()),
        "shard": options.shard,
        "versions": [__version__, *map(version, _LIBRARIES)],
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
