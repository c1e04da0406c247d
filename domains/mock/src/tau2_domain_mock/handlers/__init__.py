"""The tools of the task list and of the inbox, one public function each."""
