"""Alerts: what went wrong, told once to each channel. Found by looking at the books and at Dagster's log, kept in an outbox, sent apart."""
