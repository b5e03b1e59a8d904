"""Parts that several suites and the demo start for real: a service, and curl against it."""
