// Mechanisms: see docs/architecture.md.
