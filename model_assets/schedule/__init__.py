"""Syncs by the machine's own scheduler, cron or systemd, for whoever does not keep `model-assets up` running."""
