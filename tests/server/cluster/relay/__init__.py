"""Relays in front of homes that a test makes up."""
