"""Identity: which listings are the same model, and what each of them is of that model."""
