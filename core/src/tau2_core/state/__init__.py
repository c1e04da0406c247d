"""The world: a shared, frozen base, and the changes of one episode."""
