"""The tests of BoostMon."""
