"""What is done: node, host, committer, gateway, HTTP, cluster, supervisor, embedded services and the command line.

May import persistence, actors, protocol and config; the command line alone may load bench, when it is asked to.
"""
