"""Starting a sync from outside: a request is a row, Dagster's sensor `sync_requests` turns it into runs, and its end is written back."""
