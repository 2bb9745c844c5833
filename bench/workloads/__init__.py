"""One module per workload: its shape, what it verifies, and the figures it yields for the product and for the floor.

May import the other modules of `bench`.
"""
