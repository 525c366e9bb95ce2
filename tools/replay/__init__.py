"""A fixed list of HTTP requests, what a checkout of the service answers to them, and how two such recordings differ.

    python -m tools.replay.record --checkout . --bundle build/bundle --out after.jsonl
    python -m tools.replay.compare before.jsonl after.jsonl
    python -m tools.replay.score_digest --bundle build/bundle

The requests are in ``tools.replay.asked``; ``tools.replay.requests`` says which server gets which of them.
"""
