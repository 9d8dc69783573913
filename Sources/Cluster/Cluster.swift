// Cluster: see docs/architecture.md.
