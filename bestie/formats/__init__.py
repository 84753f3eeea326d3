"""The data on disk: its vocabulary, readers and writers. Imports nothing of this package."""
