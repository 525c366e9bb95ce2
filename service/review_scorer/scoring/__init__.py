"""Scores Japanese text: text in, stars (1-5) out.

The pipeline is normalise → tokenise → vectorise → predict, one module for each step. Training and serving call the same
functions, so a text is preprocessed in exactly one way. This package imports no web framework, reads no environment
variable, does not log and does no work at import.
"""
