//! One attack: a component, what it is told to do, and what must become of it.

pub(crate) use harness::executes;
use serde_json::{Value, json};
use std::time::Duration;

/// A component that means harm.
#[derive(Clone)]
pub(crate) struct Attack {
    /// What it tries.
    pub(crate) name: &'static str,
    /// The upload.
    pub(crate) component: Vec<u8>,
    /// Whether it may send requests.
    pub(crate) way: Way,
    /// What its step is given.
    pub(crate) input: Value,
    /// `refused CODE`, or how its only attempt ends: the word of the ending. See [`Way`] for more.
    pub(crate) verdict: &'static str,
    /// Longest time from the upload to the end of the run. Generous: the machine may be busy.
    pub(crate) wall_max: Duration,
    /// Most bytes that the host's memory grows by meanwhile.
    pub(crate) memory_max: u64,
}

/// Whether a plugin has a way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// No grant; the saga `one`.
    None,
    /// The grants of the site; the saga `sends`. If the attempt ends well, the verdict says what the guest was told of its requests: a
    /// status, or an error. And it says how many arrived outside.
    Granted,
}

impl Way {
    /// The plugin that is installed.
    pub(crate) fn plugin(self) -> &'static str {
        match self {
            Self::None => "p",
            Self::Granted => "probe",
        }
    }

    /// The saga that is run.
    pub(crate) fn saga(self) -> &'static str {
        match self {
            Self::None => "one",
            Self::Granted => "sends",
        }
    }
}

/// What an attempt may use, and something for the host's own doing.
const MEMORY_MAX: u64 = 128 << 20;

impl Attack {
    /// A guest that runs, in the usual frame.
    pub(crate) fn guest(name: &'static str, verdict: &'static str, text: &str) -> Self {
        Self::component(name, verdict, harness::framed_guest(text))
    }

    /// The same in a frame that is changed, too.
    pub(crate) fn framed(name: &'static str, verdict: &'static str, text: &str, changes: &[(&str, &str)]) -> Self {
        let frame = harness::small_guest_text("frame").replace("(;guest;)", text);
        let frame = changes.iter().fold(frame, |frame, (from, to)| {
            assert!(frame.contains(from), "{name}: the frame has no {from}");
            frame.replace(from, to)
        });
        Self::component(name, verdict, wat::parse_str(&frame).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// An upload.
    pub(crate) fn component(name: &'static str, verdict: &'static str, component: Vec<u8>) -> Self {
        let (way, input) = (Way::None, json!({}));
        Self { name, component, way, input, verdict, wall_max: Duration::from_secs(20), memory_max: MEMORY_MAX }
    }

    /// The plugin `probe`, which does what `acts` says.
    pub(crate) fn probe(name: &'static str, verdict: &'static str, acts: &Value) -> Self {
        let probe = std::fs::read(harness::guest("probe")).expect("it is built");
        Self { way: Way::Granted, input: json!({ "forward": acts }), ..Self::component(name, verdict, probe) }
    }

    /// The same with other bounds.
    pub(crate) fn within(self, wall_max: Duration, memory_max: u64) -> Self {
        Self { wall_max, memory_max, ..self }
    }
}
