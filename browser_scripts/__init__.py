"""The scripts that are put into the page before its own; worker.browser.injected_scripts puts them together."""
