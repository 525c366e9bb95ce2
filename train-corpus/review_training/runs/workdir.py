"""The work directory of a training: named by all that its steps depend on, removed when the bundle is written."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version

from review_scorer import __version__
from review_scorer.compute.dask_client import ClusterError
from review_scorer.corpora.errors import CorpusError
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.tokens import fingerprint
from review_training.corpus.sources import stamp
from review_training.model.recipe import Recipe
from review_training.runs.job import TrainingJob
from review_training.shards.store import Store

_LIBRARIES = ("lightgbm", "mecab-python3", "scikit-learn", "numpy", "scipy")


class UnfinishedError(CorpusError):
    """A training that ended without a bundle, and may resume from the steps that it finished."""


@contextmanager
def open_workdir(job: TrainingJob) -> Iterator[Store]:
    """Yield the store of a training, with the finished steps of an earlier run that was killed.

    The store is removed at the end, unless training may still succeed: after a kill, an interrupt, an
    ``UnfinishedError``, and errors of the cluster or the disk.
    """
    root = _root(job, _key(job))
    store = Store(root)
    if store.has("begun"):
        print(f"resuming from the finished steps in {root}", file=sys.stderr)
    store.save("begun")
    try:
        yield store
    except (UnfinishedError, ClusterError, BundleError, OSError, KeyboardInterrupt):
        print(f"finished steps are kept in {root}", file=sys.stderr)
        raise
    except BrokenProcessPool:
        print(f"finished steps are kept in {root}", file=sys.stderr)
        raise UnfinishedError("a worker process was killed, probably because memory ran out") from None
    except CorpusError:
        store.remove()
        raise
    store.remove()


def _root(job: TrainingJob, key: str) -> str:
    if job.work_dir:
        return f"{job.work_dir.rstrip('/')}/{key}"
    bundle = job.bundle.absolute()
    root = bundle.with_name(f".{bundle.name}.work-{key}")
    for other in bundle.parent.glob(f".{bundle.name}.work-*"):  # of another corpus, or of other options
        if other != root:
            shutil.rmtree(other)
    return str(root)


def _key(job: TrainingJob) -> str:
    dictionary, user_dictionary = job.tokenizer
    facts = {
        "bundle": str(job.bundle.absolute()),
        "corpus": [stamp(source) for source in job.corpus.sources],
        "seed_corpus": [stamp(source) for source in job.seed_corpus],
        "layout": asdict(job.corpus.layout),
        "dictionary": [str(dictionary), fingerprint(dictionary)],
        "user_dictionary": user_dictionary and stamp(user_dictionary),
        "seed": job.seed,
        "validation": job.validation,
        "compare_original": job.compare_original,
        "cluster": bool(job.cluster),
        "recipe": asdict(Recipe()),
        "shard_size": job.shard_size,
        "versions": [__version__, *map(version, _LIBRARIES)],
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
