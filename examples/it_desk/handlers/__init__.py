"""The tools of the help desk."""
