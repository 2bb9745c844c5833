"""Posts on a node: how they are made, shown, shared and published.

May import `persistence`, `protocol`, and from `server` what tells, runs and observes.
"""
