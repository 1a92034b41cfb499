"""The verbs: each parses, calls one public function, prints."""
