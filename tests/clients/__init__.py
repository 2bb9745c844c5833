"""The client distributions, tested from outside: the wire contract is all they share with the server."""
