"""Files of reviews, scored row by row: bytes into rows, rows into outcomes, both into the same rows with their scores.

One pass in constant memory, without a word about where the bytes come from or go to: ``POST /api/1/files`` and
``python -m review_scorer.batch.score`` are two ends of it.
"""
