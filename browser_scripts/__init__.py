"""The scripts that run in the page before its own; worker.browser.injected_scripts joins them."""
