"""The airline domain: flights, travellers, reservations, and the desk that serves them."""
