"""How fast: the load client, its workloads, the floor and the reports.

May import protocol and config and nothing else of ours: it looks at a server from outside, as any client meets it.
"""
