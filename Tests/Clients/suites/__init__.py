"""The clients' own test suites, each with what is expected of it."""
