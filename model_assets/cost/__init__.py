"""What a request cost: the rows of a price list, a usage and an instant give an answer that says how it was reached; and whole logs of them."""
