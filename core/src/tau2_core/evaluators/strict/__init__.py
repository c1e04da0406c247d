"""The set `strict`: what a task means is graded, not how an answer is spelt; the required outcome counts too."""
