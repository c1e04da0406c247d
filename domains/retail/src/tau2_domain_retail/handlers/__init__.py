"""The retail tools: one public function a tool."""
