"""What is kept: one module per aggregate with its contract, its Postgres and its memory twin, and the migrations.

May import protocol and nothing else of ours; all SQL of the project and all names of keys and subjects live here.
"""
