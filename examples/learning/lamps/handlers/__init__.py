"""The tools, one public function each."""
