"""One module a topic, one public function a tool."""
