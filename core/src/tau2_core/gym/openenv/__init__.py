"""OpenEnv's protocol as a dialect of the server: each domain is an environment at `/openenv/DOMAIN`.

OpenEnv's package requires another major version of the MCP SDK than this project does, so it is not imported. The
protocol is that of openenv 0.10.
"""
