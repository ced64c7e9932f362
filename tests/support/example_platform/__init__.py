"""A made-up platform, as a newcomer would add one: a link, a table of signs, a roster and a call, and a scripted page to join.

tests/browser/test_third_platform.py puts this folder into a copy of the worker as worker/platforms/example.
"""
