"""Real processes, and whatever may happen to them: `tidings torture`.

May import protocol, config and the rest of bench.
"""
