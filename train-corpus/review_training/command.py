"""The frame that all commands share: one-line errors, exit status, Ctrl-C.

Exceptions that a command reports in one line:

    CommandError
    ├── review_training.export.onnx_graph.ExportError
    ├── review_training.lexicon.entries.LexiconError
    ├── review_training.feedback_loop.redis_reader.RedisReadError
    ├── review_training.feedback_loop.retrain.RetrainError
    └── review_training.feedback_loop.rollout.RolloutError
    review_scorer.corpora.errors.CorpusError
    review_scorer.scoring.errors.BundleError
    OSError
"""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence

from review_scorer.corpora.errors import CorpusError
from review_scorer.scoring.errors import BundleError

INTERRUPTED = 130
"""The exit status after Ctrl-C: 128 + SIGINT, as shells have it."""


class CommandError(Exception):
    """An error of a command; the message is one line."""


def new_parser(name: str, documentation: str | None) -> argparse.ArgumentParser:
    """Return the parser of the command ``name``, described by the first line of its module's documentation."""
    return argparse.ArgumentParser(prog=name, description=(documentation or "").split("\n", 1)[0])


def run_command(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    action: Callable[[argparse.Namespace], int],
    *,
    failed: int = 1,
) -> int:
    """Return the exit status of ``action`` with the parsed ``arguments``; ``sys.argv`` if these are None.

    An expected error is printed as one line, an unexpected one with its stack trace; the status of both is ``failed``.
    """
    options = parser.parse_args(arguments)
    try:
        return action(options)
    except (CommandError, CorpusError, BundleError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - Python's own status, 1, means "worse" for some commands
        traceback.print_exc()
    return failed
