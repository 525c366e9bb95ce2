"""Format of the records and frames that a sender process writes."""

import struct

# Doubles per record: times at which the request was due, handled by the sender, sent and answered (seconds since the
# origin), the outcome, and the HTTP status or errno.
RECORD = 6
# A letter and the length of the payload.
FRAME = struct.Struct(">cI")
