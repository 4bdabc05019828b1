"""Which models a text names: by identity, with the words that matched and where they stand."""
