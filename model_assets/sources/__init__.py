"""The sources, by name. A new one is a page like these, a saved payload, its test, and its name here."""
