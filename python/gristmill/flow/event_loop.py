"""Where coroutines run: a loop thread that stays for the whole process, or the loop the caller is in already."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable


class Home:
    """A running event loop and the thread it runs on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ident: int) -> None:
        self.loop, self.ident = loop, ident

    def soon(self, fn: Callable[..., Any], *args: Any) -> bool:
        """Calls fn on the loop, from any thread; False: the loop is gone."""
        try:
            if threading.get_ident() == self.ident:  # nobody has to be woken
                self.loop.call_soon(fn, *args)
            else:
                self.loop.call_soon_threadsafe(fn, *args)
            return True
        except RuntimeError:
            return False


class LoopThread(Home):
    """A loop on a thread of its own, idle without cost."""

    def __init__(self) -> None:
        super().__init__(asyncio.new_event_loop(), 0)
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="gristmill-flow-loop", daemon=True)
        self._thread.start()
        started.wait()

    def _run(self, started: threading.Event) -> None:
        self.ident = threading.get_ident()
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(started.set)
        try:
            self.loop.run_forever()
        finally:
            asyncio.set_event_loop(None)

    def stop(self) -> None:
        """Cancels what is left and ends the thread; coroutines that refuse are left behind after a second."""
        async def end() -> None:
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=1.0)
            await self.loop.shutdown_asyncgens()
            self.loop.stop()

        if threading.get_ident() == self.ident or not self.soon(lambda: setattr(self, "_end", self.loop.create_task(end()))):
            return
        self._thread.join(2.0)
        if not self._thread.is_alive():
            self.loop.close()


def running_home() -> Home:
    """The loop this code is called from."""
    return Home(asyncio.get_running_loop(), threading.get_ident())
