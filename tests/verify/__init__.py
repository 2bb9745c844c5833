"""Slow proofs against foreign programs, run by `make verify`. They import every room."""
