"""The proof of "nothing lost, nothing twice": real processes, real trouble, and an oracle."""
