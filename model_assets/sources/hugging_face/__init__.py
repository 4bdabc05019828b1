"""How Hugging Face's list of models is read: asking for it, the payload it is kept in, and what an entry says."""
