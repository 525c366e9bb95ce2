"""Tables of reviews (CSV, TSV, JSON Lines): bytes to rows, rows to results, and both back to bytes.

A single pass in constant memory that does no input or output itself. ``POST /api/1/files`` and
``python -m review_scorer.batch.score`` both use it.
"""
