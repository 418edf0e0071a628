"""The deterministic simulation: the real bot in virtual time, against models of all around it."""
