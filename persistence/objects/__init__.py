"""Objects: bytes under a key, in a folder of this machine or in a bucket of S3, behind one contract.

May import nothing of ours but the faults of persistence.
"""
