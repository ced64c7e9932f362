"""The command line and its output: commands, displays, summaries.

Doors: ``main.main`` (the command ``meetstems``); one module per command. Floor: the top; only here rich is used.
"""
