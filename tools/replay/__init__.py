"""Regression test by replay: records the responses of a checkout to fixed requests, and compares two recordings.

    python -m tools.replay.record --checkout . --bundle build/bundle --out after.jsonl
    python -m tools.replay.compare before.jsonl after.jsonl
    python -m tools.replay.score_digest --bundle build/bundle

The requests are in ``tools.replay.cases``; ``tools.replay.requests`` assigns them to server configurations.
"""
