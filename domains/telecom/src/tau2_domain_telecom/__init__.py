"""The telecom domain: a mobile carrier's accounts on the agent's side, and the customer's phone on theirs."""
