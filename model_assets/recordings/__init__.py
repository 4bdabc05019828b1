"""Small recordings for an offline start: three days of four sources, made from `facts.yml` by `make.py`. See README.md."""
