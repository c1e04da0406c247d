"""The process around episodes: event loop, background tasks, garbage collection, and code that blocks the loop."""
