"""Run a program of the host to its end: bounded, its output kept. For kind and the container engine, nothing else."""

import asyncio
from dataclasses import dataclass

from chaos.errors import SetupError


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def last_line(self) -> str:
        """What a program said last is nearly always why it gave up."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit code {self.code}, and nothing said"


async def ran(*words: str, within_s: float) -> Ran:
    """Run and report, whatever its exit code; a program that overruns is killed. A missing one is a SetupError.

    It has a session of its own: a Ctrl-C is ours to act on, in our own order.
    """
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=null, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except FileNotFoundError as error:
        raise SetupError(f"{words[0]}: command not found") from error
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise SetupError(f"`{' '.join(words)}` did not end within {within_s:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ran(code=process.returncode or 0, out=out.decode(errors="replace"), err=err.decode(errors="replace"))


async def run(*words: str, within_s: float) -> str:
    """Run, and give its output; anything but success is a SetupError with its last line."""
    done = await ran(*words, within_s=within_s)
    if not done.ok:
        raise SetupError(f"`{' '.join(words)}` failed: {done.last_line}")
    return done.out
