"""Label files of other tools: their readers, and the import of photos with such labels."""
