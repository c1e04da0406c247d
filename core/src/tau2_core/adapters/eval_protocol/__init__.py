"""Dataset rows of eval-protocol: tasks written as JSON lines, and read back (spec/evaluation_test.md, 9)."""
