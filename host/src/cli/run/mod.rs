//! `amends run`: what becomes of runs, and what people ask of them.

mod demand;
mod list;
mod show;
mod start;

use super::output::{Exit, Format};
use clap::Subcommand;

use super::desk::Wish;
use demand::Target;
pub(super) use demand::{About, Ask, demand};

/// Start runs, see what became of them, and ask something of them
#[derive(Debug, Subcommand)]
pub(super) enum Run {
    /// Start a run of a saga and drive it until it ends or waits for somebody
    #[command(after_help = start::EXAMPLES)]
    Start(Box<start::Start>),
    /// List runs, newest first
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Show one run: its input and output, the timeline of its attempts, how each step stands
    #[command(after_help = show::EXAMPLES)]
    Show(show::Show),
    /// Show the timeline of a run while it comes
    #[command(after_help = demand::FOLLOW_EXAMPLES)]
    Follow(demand::Follow),
    /// Take back what a run did so far
    #[command(after_help = demand::CANCEL_EXAMPLES)]
    Cancel(demand::Cancel),
    /// Have a run stand still
    #[command(after_help = demand::PAUSE_EXAMPLES)]
    Pause(Target),
    /// Have a paused run go on
    #[command(after_help = demand::RESUME_EXAMPLES)]
    Resume(Target),
    /// Tell a run what it waits for, or will
    #[command(after_help = demand::SIGNAL_EXAMPLES)]
    Signal(demand::Signal),
    /// Make the next attempt now instead of when it is due
    #[command(after_help = demand::RETRY_EXAMPLES)]
    Retry(Target),
    /// Take back a run that succeeded
    #[command(after_help = demand::COMPENSATE_EXAMPLES)]
    Compensate(demand::Compensate),
    /// End a run without taking anything back
    #[command(after_help = demand::KILL_EXAMPLES)]
    Kill(Target),
}

pub(super) fn run(command: &Run, format: Format) -> anyhow::Result<Exit> {
    match command {
        Run::Start(start) => start::run(start, format),
        Run::List(list) => list::list(list, format),
        Run::Show(show) => show::show(show, format),
        Run::Follow(follow) => demand::follow(follow, format),
        Run::Cancel(cancel) => demand::cancel(cancel, format),
        Run::Pause(target) => demand::simple(target, Wish::Pause, format),
        Run::Resume(target) => demand::simple(target, Wish::Resume, format),
        Run::Signal(signal) => demand::signal(signal, format),
        Run::Retry(target) => demand::simple(target, Wish::Retry, format),
        Run::Compensate(compensate) => demand::compensate(compensate, format),
        Run::Kill(target) => demand::simple(target, Wish::Kill, format),
    }
}
