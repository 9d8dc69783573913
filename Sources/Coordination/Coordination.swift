// Coordination: see docs/architecture.md.
