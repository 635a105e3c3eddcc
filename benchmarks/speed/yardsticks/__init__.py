"""Other implementations of the same requests on the same database, to compare the service with.

They run with the packages of the baked project, from its folder, whose `.env` they read.
"""
