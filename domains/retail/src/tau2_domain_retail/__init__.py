"""The retail domain pack: an online shop's customer service."""
