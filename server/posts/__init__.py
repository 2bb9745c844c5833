"""Posts on a node: how they are shown, published and cleared away.

May import `persistence`, `protocol`, and from `server` what tells, runs and observes.
"""
