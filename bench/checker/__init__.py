"""Histories of what devices asked and were told, and whether what was promised holds in them."""
