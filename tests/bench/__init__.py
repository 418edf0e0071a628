"""Benchmarks: each figure beside a limit that was measured in the same run.

A measure is one module of this folder with one function,

    async def measure(place: Place) -> list[Row]

and one entry in `MEASURES` of `tests/bench/__main__.py`. `Place` and `Row` are in
`tests/bench/runner.py`: a place lends servers' URLs with freshly migrated tables (durable, as
installed), a row is a figure, its limit and the goal for their ratio. What would take minutes is
done only when `place.big` is true. Work comes from `tests/bench/generator.py`, the same each time.
"""
