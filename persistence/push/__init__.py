"""Devices that pushes reach, and pushes on their way: contracts, memory twins, Postgres. May import protocol."""
