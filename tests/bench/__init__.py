"""The load client against a stand-in of the wire contract and against the floor, over real sockets."""
