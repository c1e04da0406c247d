"""The retail tools: one public function per tool."""
