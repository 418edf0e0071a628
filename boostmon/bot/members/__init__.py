"""Compares members with the log, and decides from evidence what follows.

Lowest first: `absences`, `evidence`, `reconciler`, `audit_log`, `agreement`, `observer`, `looks`.
"""
