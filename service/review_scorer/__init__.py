"""A scorer of Japanese reviews: text in, stars (1–5) out, over HTTP."""

__version__ = "0.1.0"
