"""What an operator sees: each request as counts, as a log line and as a span, whichever worker answered it."""
