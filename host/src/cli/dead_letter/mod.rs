//! `amends dead-letter`: the steps that wait for a person. A dead letter is named by its run and its step: `run_….charge-payment`.

mod list;
mod settle;
mod show;

use super::output::{Exit, Format};
use clap::Subcommand;

/// See and settle steps that wait for a person
#[derive(Debug, Subcommand)]
pub(super) enum DeadLetter {
    /// List dead letters, those of the newest runs first
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Show one: its cause, all its attempts, what they sent, and what is to be done
    #[command(after_help = show::EXAMPLES)]
    Show(show::Show),
    /// Have it tried again, with all its attempts
    #[command(after_help = settle::REDRIVE_EXAMPLES)]
    Redrive(settle::Redrive),
    /// Say what was done about it by hand
    #[command(after_help = settle::RESOLVE_EXAMPLES)]
    Resolve(settle::Resolve),
}

pub(super) fn run(command: &DeadLetter, format: Format) -> anyhow::Result<Exit> {
    match command {
        DeadLetter::List(list) => list::list(list, format),
        DeadLetter::Show(show) => show::show(show, format),
        DeadLetter::Redrive(redrive) => settle::redrive(redrive, format),
        DeadLetter::Resolve(resolve) => settle::resolve(resolve, format),
    }
}
