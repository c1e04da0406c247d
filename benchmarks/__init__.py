"""Speed and memory, printed as figures and ratios; nothing here passes or fails."""
