"""The tools of the airline desk, one public function each."""
