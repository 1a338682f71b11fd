// The plugin `places`: keeps count of free places (seats, rooms, tables) in the tenant's state, and reserves some of them.
//
// One handler, `reserve-places`. `python/places.py` beside this folder is the same plugin in Python.
//
// The state has, as JSON:
//   places/VENUE        how many places are free
//   reserved/RUN/STEP   what this step of this run reserved; with it the step is taken back exactly, however often it is tried

import * as invocation from "amends:saga/invocation@0.1.0";
import * as state from "amends:saga/state@0.1.0";

const VENUE = "[a-z0-9-]{1,64}";
const PLACES_MAX = 1000;

const MANIFEST = {
  handlers: [
    {
      name: "reserve-places",
      doc: "Reserves places at a venue; gives them back when the run fails.",
      compensates: true,
      input: {
        type: "object",
        properties: {
          venue: { type: "string", pattern: `^${VENUE}$` },
          places: { type: "integer", minimum: 1, maximum: PLACES_MAX },
        },
        required: ["venue", "places"],
        additionalProperties: false,
      },
      output: {
        type: "object",
        properties: {
          venue: { type: "string" },
          places: { type: "integer" },
          left: { type: "integer", description: "How many places are free behind it." },
        },
        required: ["venue", "places", "left"],
      },
    },
  ],
};

/** Nothing happened, and trying again will not help: the host does not, and takes back what the run did before. To be thrown. */
function rejected(code, message, details) {
  return { tag: "rejected", val: { code, message, details: details === undefined ? undefined : dump(details) } };
}

const dump = (value) => new TextEncoder().encode(JSON.stringify(value));
const parse = (payload) => JSON.parse(new TextDecoder().decode(payload));

/** What the state has under this key; undefined if there is nothing. */
function load(key) {
  const found = state.get(key);
  return found == null ? undefined : parse(found);
}

const ownKey = () => `reserved/${invocation.run()}/${invocation.stepId()}`;

/** The venue and how many places. A venue becomes part of a key, so it must not become another key. */
function readWish(payload) {
  const wish = parse(payload);
  if (wish === null || typeof wish !== "object" || Array.isArray(wish)) {
    throw rejected("invalid_input", "the input is no object");
  }
  const { venue, places, ...unknown } = wish;
  const mistakes = Object.keys(unknown).map((name) => `\`${name}\` is not known`);
  if (!(typeof venue === "string" && new RegExp(`^${VENUE}$`).test(venue))) {
    mistakes.push("`venue` is no name of 1 to 64 of a-z, 0-9 and `-`");
  }
  if (!(Number.isInteger(places) && 1 <= places && places <= PLACES_MAX)) {
    mistakes.push(`\`places\` is no whole number from 1 to ${PLACES_MAX}`);
  }
  if (mistakes.length > 0) {
    throw rejected("invalid_input", mistakes.sort().join("; "));
  }
  return { venue, places };
}

/** What the host calls. Its writes to the state are kept if it returns, and forgotten if it throws. */
export const step = {
  execute(input) {
    const { venue, places } = readWish(input);
    const free = load(`places/${venue}`);
    if (free === undefined) {
      throw rejected("unknown_venue", `there is no venue \`${venue}\``);
    }
    if (places > free) {
      throw rejected("sold_out", `${places} places at \`${venue}\` wanted, ${free} free`, { wanted: places, free });
    }
    state.set(`places/${venue}`, dump(free - places));
    state.set(ownKey(), dump({ venue, places }));
    return dump({ venue, places, left: free - places });
  },

  compensate(_input, _output) {
    // What is to be given back is what the state says, not the input: it may be that nothing was done.
    const reserved = load(ownKey());
    if (reserved === undefined) {
      return;
    }
    const key = `places/${reserved.venue}`;
    state.set(key, dump((load(key) ?? 0) + reserved.places));
    state.remove(ownKey());
  },
};

/** What the plugin has. The host asks once, when it is installed. */
export const manifest = {
  describe: () => JSON.stringify(MANIFEST),
};
