"""What may be tuned: every setting with its default and its range, and the files that explain and deploy them.

May import no other room; only server and bench read it.
"""
