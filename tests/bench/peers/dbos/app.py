"""Three steps that do nothing, one behind the other, each recorded by DBOS; if the third is refused, the other two are taken back, last first, each of
which is recorded too. DBOS is a library in this process; a server of HTTP stands in front of it, as it does for the others.

Arguments: the URL of the system database, and the port."""

import sqlite3
import sys

import uvicorn
from anyio import to_thread
from dbos import DBOS
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

# More than are in flight: nobody waits for a thread.
THREADS = 256


class Refused(Exception):
    pass


@DBOS.step()
def pass_on(given):
    return given


@DBOS.step()
def finish(given):
    if given["refuse"]:
        raise Refused("it was told to")
    return given


@DBOS.step()
def take_back(given):
    return None


@DBOS.workflow()
def three(given):
    first = pass_on(given)
    second = pass_on(given)
    try:
        return {"status": "succeeded", "output": finish(given)}
    except Refused:
        take_back(second)
        take_back(first)
        return {"status": "compensated"}


async def run(request):
    given = await request.json()
    return JSONResponse(await run_in_threadpool(three, given))


async def begin():
    to_thread.current_default_thread_limiter().total_tokens = THREADS


def main():
    url, port = sys.argv[1], int(sys.argv[2])
    if url.startswith("sqlite:///"):
        # Stays so in the file, and is what DBOS is fastest with; left alone, it would be a rollback journal.
        sqlite3.connect(url.removeprefix("sqlite:///")).execute("PRAGMA journal_mode=WAL").close()
    DBOS(config={"name": "three", "system_database_url": url, "log_level": "WARNING", "run_admin_server": False})
    DBOS.launch()
    app = Starlette(routes=[Route("/run", run, methods=["POST"])], on_startup=[begin])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
