"""The one error of this folder."""


class EmbeddedError(Exception):
    """An embedded service cannot run; the message is one sentence that says why and what to do."""
