"""Stories: what is posted for 24 hours, who may see it, who has, and the trays made of that.

May import `protocol`, and of its neighbours the conditions of privacy and of the graph.
"""
