"""Uploads: what clients bring in, by tus or straight to S3, until it is whole and the pipeline has it.

May import protocol and persistence's uploads and objects.
"""
