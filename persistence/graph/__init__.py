"""The graph: who follows, blocks, mutes, restricts whom and calls whom a close friend, and who may see whom.

May import `protocol`; of its neighbours the cursors, the accounts, and the database in memory of `conversations`.
"""
