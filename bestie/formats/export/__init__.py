"""Labels for other tools: masks as the files that annotators open, correct and bring back."""
