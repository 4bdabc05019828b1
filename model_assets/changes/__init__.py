"""What changed in what is published: recorded in an order that stays, read as a feed, and sent to whoever asked for it."""
