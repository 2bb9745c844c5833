"""The graph: who follows, blocks, mutes, restricts whom and calls whom a close friend, and who may see whom.

May import `protocol` and what all of `persistence` shares.
"""
