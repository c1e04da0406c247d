"""OpenEnv's protocol as a dialect of the server: each domain is an environment at `/openenv/DOMAIN`.

OpenEnv's package needs another major version of the MCP SDK than this project, so it is not imported. The protocol is
that of openenv 0.10.
"""
