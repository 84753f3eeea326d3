"""BESTIE."""
