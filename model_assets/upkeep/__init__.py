"""What keeps an installation in order: stuck syncs, old records, the disk, and how all of it is doing."""
