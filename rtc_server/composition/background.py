"""Tasks that run for as long as the server does."""

import asyncio


async def end(task: asyncio.Task[None]) -> None:
    """Cancels it, and returns once it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
