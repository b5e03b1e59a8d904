"""The conformance suite of the operations: the same tests on the simulated head and on the real kernel."""
