"""Carries out in Discord what the log has decided, each with a receipt.

Lowest first: `receipts`, `effect_signal`, `openings`, `notices`, `delivery`, `aside`, `intake`,
`loop`.
"""
