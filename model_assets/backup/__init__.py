"""Backups: dumps of the database with a manifest of what is in them, restored into a new database that takes over only when it is proved.

A backup is `<name>.dump` (pg_dump's custom format), with Dagster's tables `<name>.dagster.dump`, and `<name>.json`: the files' SHA-256, the
versions and, for every table, the rows and a checksum of the very snapshot that was dumped. The `.dump` comes last: where it is, all is.
"""
