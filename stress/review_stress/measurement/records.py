"""How a sender process writes down what became of its requests."""

import struct

# A record is so many doubles: when the request was due, when the sender got to it, when it was sent and answered
# (seconds since the origin), its outcome, and the HTTP status or errno.
RECORD = 6
# A letter and the length of what follows.
FRAME = struct.Struct(">cI")
