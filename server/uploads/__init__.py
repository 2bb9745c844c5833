"""Uploads: what clients bring in, by tus or straight to S3, until it is whole and the pipeline has it.

May import protocol, config, persistence's uploads and objects, and of `server.media` what files are told by.
"""
