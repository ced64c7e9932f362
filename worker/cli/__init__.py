"""The command line, and what a person sees: commands, displays, summaries.

Doors: ``main.main`` (the command ``meetstems``); one module a command. Floor: the top; only here is a terminal drawn on.
"""
