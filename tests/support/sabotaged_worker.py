"""``meetstems run`` whose first call's page is sabotaged.

    python -m tests.support.sabotaged_worker SCRIPT

The page runs SCRIPT once, after two seconds of speech. The attempts that follow have an ordinary page.
"""

from __future__ import annotations

import sys
from typing import Final

from playwright.async_api import BrowserContext

from worker.browser.launch import BrowserSession, new_context
from worker.cli.run import run_command
from worker.recording import session

SABOTAGE: Final = """
  const NativeWorker = window.Worker;
  window.Worker = class extends NativeWorker {
    constructor(...args) {
      super(...args);
      let batches = 0;
      this.addEventListener("message", ({ data }) => {
        if (data.frames && ++batches === 20 && !sessionStorage.getItem("sabotaged")) {
          sessionStorage.setItem("sabotaged", "yes");
          console.warn("the page is sabotaged");
          setTimeout(() => { SCRIPT });
        }
      });
    }
  };
"""
"""20 batches are two seconds of speech. A page that is loaded again is of the same session."""

_contexts = 0


async def sabotaged_context(browser: BrowserSession) -> BrowserContext:
    """A context whose pages run the script, if it is the first one."""
    global _contexts  # noqa: PLW0603 - one worker is one process
    context = await new_context(browser)
    if _contexts == 0:
        await context.add_init_script(SABOTAGE.replace("SCRIPT", sys.argv[1]))
    _contexts += 1
    return context


if __name__ == "__main__":
    setattr(session, "new_context", sabotaged_context)  # noqa: B010 - the module does not export it
    sys.exit(run_command(None, forever=False, local=False, output=None))
