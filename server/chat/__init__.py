"""`tidings chat`, a terminal client line by line, as a program on the Python client.

May import the client and `protocol`, nothing else of the server.
"""
