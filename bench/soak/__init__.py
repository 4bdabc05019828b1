"""Four hundred days in ten minutes: the real code, its real Postgres and a made-up world, with faults, kills and checks every day."""
