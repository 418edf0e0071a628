"""Timed Discord roles, event-sourced on PostgreSQL."""

__version__ = "0.1.0"
