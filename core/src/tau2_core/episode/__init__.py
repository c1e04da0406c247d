"""One episode: the environment that both sides act on, and the conversation between them."""
