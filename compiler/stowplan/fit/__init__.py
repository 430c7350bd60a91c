"""Will it fit? The memory of a launch, from facts, settings, a card and an engine's version; pure, and without I/O
but for the tables that come with Stowplan.

`verdict.estimate` is the whole; kv.py, weights.py and overhead.py hold the formulas, and docs/memory.md explains
them. What is known of engines and cards is data: engines/<kind>/memory.json, cards.json.
"""
