"""The simulator: the real host, committer, actors and requests on a seeded virtual-time loop.

May import every room. Other tests use its loop.
"""
