"""The gate: what may enter the ledger at all."""
