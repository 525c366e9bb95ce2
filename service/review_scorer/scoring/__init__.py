"""The heart: Japanese text in, stars out.

The chain is normalise → tokenise → vectorise → predict, one module each. Training and serving call the same
functions, so a text is prepared in exactly one way. Nothing here knows the web, reads the environment, logs,
or does any work at import.
"""
