"""Studies: one agent over a grid of customers, prompts, personas, judges and seeds, and how each affects its rate."""
