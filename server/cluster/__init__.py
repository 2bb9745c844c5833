"""How nodes live together: leases, links, homes, and the one repair of what went astray."""
