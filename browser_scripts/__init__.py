"""The scripts that are put into the page before its own; worker.browser.scripts puts them together."""
