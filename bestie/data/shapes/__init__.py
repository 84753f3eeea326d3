"""The built-in data set: rendered scenes with tags, clicks, weak maps and truth."""
