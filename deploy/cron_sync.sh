#!/bin/bash
# A sync over HTTP, for a crontab on a machine that has nothing of Model Assets but this file, curl and jq. `install-schedule cron` is the better
# way where the command line is installed.
#
#   API_URL    where the API is, such as https://models.example.com (default: http://127.0.0.1:8000)
#   ADMIN_KEY  the key of that API (docs/deployment.md, "Starting a sync over HTTP", says how to have it in the address instead)
#   LOG_FILE   what is appended to (default: /var/log/model-assets-sync.log)
#
# Ends with 0 only if every source was synced.
set -euo pipefail

API_URL="${API_URL:-http://127.0.0.1:8000}"
LOG_FILE="${LOG_FILE:-/var/log/model-assets-sync.log}"

say() { echo "$(date -u +"%Y-%m-%d %H:%M:%S UTC") $*" >> "$LOG_FILE"; }
call() { curl -sS --max-time 330 -H @<(printf 'X-Admin-Key: %s' "${ADMIN_KEY:-}") "$@"; } # the key is on no command line

say "[Sync] started"
response=$(call -X POST "$API_URL/admin/model-sync/all?wait=300" 2>> "$LOG_FILE") || { say "[Sync] the API does not answer"; exit 1; }
while [ "$(jq -r '.status // empty' <<< "$response")" = running ] || [ "$(jq -r '.status // empty' <<< "$response")" = queued ]; do
    sleep "${POLL_SECONDS:-10}"
    response=$(call "$API_URL/v1/admin/sync/$(jq -r .sync_id <<< "$response")" 2>> "$LOG_FILE") || { say "[Sync] the API went away"; exit 1; }
done
if jq -e '.success' > /dev/null 2>&1 <<< "$response"; then
    say "[Sync] completed: $(jq -r '.details.total_models_synced // 0' <<< "$response") models"
else
    say "[Sync] failed: $(jq -r '.error.message // .message' <<< "$response" 2> /dev/null || echo "$response")"
    exit 1
fi
