"""People: accounts and their logins. The contract, its memory twin and its Postgres store.

May import protocol only; the password's hash and the digests of refresh tokens are made elsewhere.
"""
