"""How fast: the load client, its workloads, the floor and the reports.

May import config and nothing else of ours: it measures a server from outside, as any client meets it.
"""
