"""The airline domain: flights, travellers, reservations, and the service desk."""
