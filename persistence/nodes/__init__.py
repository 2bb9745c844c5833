"""Which nodes there are: leases by the database's clock, and the version that every change raises.

May import protocol, and of the conversations the database in memory, on which the twin stands.
"""
