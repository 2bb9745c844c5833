"""How nodes live together: leases, links, homes, and the one repair of what went astray.

May import what server may, and of server the host and what it is told by.
"""
