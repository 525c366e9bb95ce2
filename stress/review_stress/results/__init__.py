"""Shows and writes results: live view, summary, JSON and HTML reports, merged reports."""
