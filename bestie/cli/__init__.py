"""Commands: what a user types. ``program`` starts them; each other module is one command.

A module of a command has ``main(arguments)``, which takes the words after the command's name (None:
those of this process) and returns the exit status (None: 0). It raises ValueError or OSError for a
mistake of the user, and may name more such exceptions in ``FAILURES``.
"""
