"""The calls of each platform: how its pages are joined, watched and left, and how its roster is read.

Doors: ``registry`` (one line a platform; pure), ``links`` (what a link leads to), ``open_call``, ``call`` (what a recording
asks of a call). A platform is a folder; platforms know nothing of each other. Floor: beside stems.
"""
