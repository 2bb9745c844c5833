"""What can be wrong with a store that is not the fault of what was asked."""


class UnavailableError(Exception):
    """The store cannot be reached or was too slow; whether a write happened is unknown. Every write may be repeated."""
