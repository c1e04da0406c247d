"""The world: a shared, frozen base and what one episode changed of it."""
