// Lab: see docs/architecture.md.
