"""Posts in Postgres: made, changed, published, deleted and read.

Statements alone; may import `protocol`, and from here conditions of privacy and of the graph, and as what people are
told of comments.
"""
