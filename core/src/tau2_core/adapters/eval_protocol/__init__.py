"""Dataset rows of eval-protocol: writing and reading tasks as JSON lines (spec/evaluation_test.md, 9)."""
