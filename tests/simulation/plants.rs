//! Violations that are planted into what is simulated around the host, never into the host: each must be found, and by the invariant that
//! it breaks.

use crate::invariants::Invariant;

/// Something that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// The sandbox lets requests out without waiting for their intent to be durable.
    SendsEarly,
    /// The sandbox does not close the connections of an attempt that it ended.
    SendsLate,
    /// The sandbox says that a compensation went well, whatever happened.
    SaysTakenBack,
    /// The host does not see that one step comes after another.
    ForgetsAfter,
    /// The sandbox hands out the writes of attempts that failed.
    DirtyWrites,
    /// The sandbox says that it read the newest version, and read an older one.
    StaleReads,
    /// The host tries a step more often than its author allows.
    OneMoreAttempt,
    /// The store does not list a run among the open ones.
    LosesRun,
    /// A guest is never ended, whatever its limits.
    NeverEnds,
    /// The store says that a commit is durable and does not write it.
    LosesCommit,
    /// After a crash the disk is as it was after the crash before.
    OlderDisk,
    /// A read gives a value of another tenant.
    OthersValue,
    /// The journal that a host finds lacks its last fact.
    ForgetsFact,
    /// The head of a run is not the one that was written.
    OldHead,
    /// The face tells of a run before its start is durable.
    TellsEarly,
    /// The store shows an end of runs that have none.
    ShowsEnd,
    /// A record loses its body, and no fact says why.
    LosesBody,
    /// What removed runs used is forgotten with them.
    ForgetsUsage,
}

impl Plant {
    /// All, each with the invariant that finds it.
    pub(crate) const ALL: &[(Self, Invariant)] = &[
        (Self::SendsEarly, Invariant::DurableIntent),
        (Self::SendsLate, Invariant::NoLateEffect),
        (Self::SaysTakenBack, Invariant::Outcome),
        (Self::ForgetsAfter, Invariant::Order),
        (Self::DirtyWrites, Invariant::State),
        (Self::StaleReads, Invariant::State),
        (Self::OneMoreAttempt, Invariant::Attempts),
        (Self::LosesRun, Invariant::Liveness),
        (Self::NeverEnds, Invariant::Liveness),
        (Self::LosesCommit, Invariant::Chain),
        (Self::OlderDisk, Invariant::Chain),
        (Self::OthersValue, Invariant::Tenants),
        (Self::ForgetsFact, Invariant::Replay),
        (Self::OldHead, Invariant::Replay),
        (Self::TellsEarly, Invariant::Told),
        (Self::ShowsEnd, Invariant::Removal),
        (Self::LosesBody, Invariant::Removal),
        (Self::ForgetsUsage, Invariant::Removal),
    ];
}
