// Compression: see docs/architecture.md.
