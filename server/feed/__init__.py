"""The feed: pages of posts of those whom one follows, posts on their way to followers, and who is told of them live.

May import the stores, the cluster's frames and `protocol`; what reaches users is given to it.
"""
