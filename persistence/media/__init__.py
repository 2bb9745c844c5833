"""Pictures on their way through the pipeline and as they are served, and the pictures that nobody may show again.

May import protocol, and of persistence the pool, its faults and what may be seen.
"""
