"""The HTTP API: FastAPI over the relations of `catalog` and `access`. `create_app` in app.py composes it."""
