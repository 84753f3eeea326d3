"""Everything that checks a data set: its lists, its images and labels, and the splits among each
other."""
