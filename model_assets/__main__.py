"""`python -m model_assets` is `model-assets`."""

from model_assets.cli import main

main()
