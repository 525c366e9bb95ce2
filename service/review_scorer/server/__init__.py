"""HTTP itself: connections and their clocks, heads and bodies within limits, what is refused and how it is said.

All of it lies between the sockets and the app, and knows nothing of scores.
"""
