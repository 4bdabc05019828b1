#!/bin/sh
# Written by `model-assets install-schedule cron`, and again by it. One sync, as cron runs it: its environment is @ENVIRONMENT@.
umask 077
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

set -a
. @ENVIRONMENT@ || exit 2
set +a
cd @PROJECT@ || exit 2

# What a sync starts may outlive it (the embedded Postgres), and must not keep the lock: descriptor 9 is closed for it.
exec 9>@LOCK@
if ! flock -n 9; then
    echo "$(now) [Sync] the one before still runs: this one is left out"
    exit 75
fi
echo "$(now) [Sync] started"
@COMMAND@ sync 9>&-
code=$?
echo "$(now) [Sync] ended with exit code $code"
@ALERTS@exit $code
