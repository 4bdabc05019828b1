"""Getting bytes from outside and making sure of them: `http` reads a URL, `strict_json` reads the bytes."""
