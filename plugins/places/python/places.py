"""The plugin `places`: keeps count of free places (seats, rooms, tables) in the tenant's state, and reserves some of them.

One handler, `reserve-places`. `javascript/places.js` beside this folder is the same plugin in JavaScript.

The state has, as JSON:
  places/VENUE        how many places are free
  reserved/RUN/STEP   what this step of this run reserved; with it the step is taken back exactly, however often it is tried
"""

import json
import re

from wit_world import exports
from wit_world.imports import invocation, state
from wit_world.imports.types import Err, Failure_Rejected, Fault

VENUE = "[a-z0-9-]{1,64}"
PLACES_MAX = 1_000

MANIFEST = {
    "handlers": [
        {
            "name": "reserve-places",
            "doc": "Reserves places at a venue; gives them back when the run fails.",
            "compensates": True,
            "input": {
                "type": "object",
                "properties": {
                    "venue": {"type": "string", "pattern": f"^{VENUE}$"},
                    "places": {"type": "integer", "minimum": 1, "maximum": PLACES_MAX},
                },
                "required": ["venue", "places"],
                "additionalProperties": False,
            },
            "output": {
                "type": "object",
                "properties": {
                    "venue": {"type": "string"},
                    "places": {"type": "integer"},
                    "left": {"type": "integer", "description": "How many places are free behind it."},
                },
                "required": ["venue", "places", "left"],
            },
        }
    ]
}


def rejected(code: str, message: str, details: object = None) -> Err:
    """Nothing happened, and trying again will not help: the host does not, and takes back what the run did before."""
    return Err(Failure_Rejected(Fault(code, message, None if details is None else dump(details))))


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def load(key: str) -> object:
    """What the state has under this key; None if there is nothing."""
    found = state.get(key)
    return None if found is None else json.loads(found)


def own_key() -> str:
    return f"reserved/{invocation.run()}/{invocation.step_id()}"


def whole(value: object) -> int | None:
    """A number without a fraction, else None. JSON has one kind of numbers, so 2.0 is a 2; in Python, True is a 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def read_wish(payload: bytes) -> tuple[str, int]:
    """The venue and how many places. A venue becomes part of a key, so it must not become another key."""
    wish = json.loads(payload)
    if not isinstance(wish, dict):
        raise rejected("invalid_input", "the input is no object")
    venue, places = wish.get("venue"), whole(wish.get("places"))
    mistakes = [f"`{name}` is not known" for name in wish.keys() - {"venue", "places"}]
    if not (isinstance(venue, str) and re.fullmatch(VENUE, venue)):
        mistakes.append("`venue` is no name of 1 to 64 of a-z, 0-9 and `-`")
    if places is None or not 1 <= places <= PLACES_MAX:
        mistakes.append(f"`places` is no whole number from 1 to {PLACES_MAX}")
    if mistakes:
        raise rejected("invalid_input", "; ".join(sorted(mistakes)))
    return venue, places


class Step(exports.Step):
    """What the host calls. Its writes to the state are kept if it returns, and forgotten if it raises."""

    def execute(self, input: bytes) -> bytes:
        venue, places = read_wish(input)
        free = load(f"places/{venue}")
        if free is None:
            raise rejected("unknown_venue", f"there is no venue `{venue}`")
        if places > free:
            raise rejected("sold_out", f"{places} places at `{venue}` wanted, {free} free", {"wanted": places, "free": free})
        state.set(f"places/{venue}", dump(free - places))
        state.set(own_key(), dump({"venue": venue, "places": places}))
        return dump({"venue": venue, "places": places, "left": free - places})

    def compensate(self, input: bytes, output: bytes | None) -> None:
        # What is to be given back is what the state says, not the input: it may be that nothing was done.
        reserved = load(own_key())
        if reserved is None:
            return
        key = f"places/{reserved['venue']}"
        state.set(key, dump((load(key) or 0) + reserved["places"]))
        state.remove(own_key())


class Manifest(exports.Manifest):
    """What the plugin has. The host asks once, when it is installed."""

    def describe(self) -> str:
        return json.dumps(MANIFEST)
