"""Studies: one agent over a grid of customers, prompts, personas, judges and seeds, and what its rate depends on."""
