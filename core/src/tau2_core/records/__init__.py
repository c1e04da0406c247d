"""Run folders: their files, reading them, summing them up, and comparing them. Nothing here plays anything."""
