"""HTTP resources: one module per resource, and what they share (schemas, parsing, errors)."""
