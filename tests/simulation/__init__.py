"""The simulator: the real host, committer, actors and requests on a seeded virtual-time loop, and its checker.

May import every room; nothing imports it.
"""
