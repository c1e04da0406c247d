"""A pack with lamps to switch on and off, small enough for a training example."""
