"""The gate: what may enter the ledger at all, and which changed prices are doubted until they have proven themselves."""
