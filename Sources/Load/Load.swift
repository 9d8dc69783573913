// Load: see docs/architecture.md.
