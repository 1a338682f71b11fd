//! The command line: noun, then verb. Each file or folder is one noun (plugins and sagas on a server are in `pushed` and `applied`); `desk` is
//! where commands go, a data directory or a server; what they share is in `argument`, `asking`, `hosted`, `drive`, `journal`, `timeline`,
//! `standing`, `draft`, `gone`, `again`, `members`, `log`, `output` and `error`. Nothing is decided here: commands read their arguments, ask the
//! floors below, and tell the answer.

mod again;
mod applied;
mod argument;
mod asking;
mod audit;
mod backup;
mod bench;
mod compile_child;
mod completion;
mod dead_letter;
mod desk;
mod dev;
mod draft;
mod drive;
mod error;
mod events;
mod exec;
#[cfg(test)]
mod fixture;
mod gone;
mod grant;
mod hosted;
mod inputs;
mod journal;
mod key;
mod log;
mod members;
pub mod output;
mod plugin;
mod profile;
mod pushed;
mod resume;
mod run;
mod saga;
mod secret;
mod serve;
mod standing;
mod state;
mod tally;
mod tenant;
mod text;
mod timeline;
mod webhook;
mod whoami;

use clap::{Parser, Subcommand};
use output::{Exit, Format};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  amends exec saga.yaml --plugin orders=orders.wasm --input @input.json --data ./data
  amends dev examples/order-fulfillment
  amends run start order.fulfillment --input @input.json --follow

With --data DIR commands work on a data directory, in this process. Without it they go to the server that --url or AMENDS_URL names, with the
token in AMENDS_TOKEN or --token-file, or that a profile names: amends profile add.

Exit codes: 0 done; 1 the run did not succeed, or not yet, or the command could not be finished; 2 bad usage; 3 refused;
4 cannot reach the server; 5 the audit chain is broken; 130 and 143 stopped by Ctrl-C or SIGTERM.
AMENDS_BY names who asks where --by does not; AMENDS_LOG=debug shows what happens inside.";

/// Run sagas whose steps are sandboxed WebAssembly components, and make amends when one fails
#[derive(Debug, Parser)]
#[command(name = "amends", version, after_help = EXAMPLES)]
struct Cli {
    /// Answer in JSON, for programs; errors too
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Exec(exec::Exec),
    Resume(resume::Resume),
    Serve(serve::Serve),
    Dev(dev::Dev),
    #[command(subcommand)]
    Run(run::Run),
    #[command(subcommand)]
    DeadLetter(dead_letter::DeadLetter),
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    #[command(subcommand)]
    Saga(saga::Saga),
    #[command(subcommand)]
    Secret(secret::Secret),
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    #[command(subcommand)]
    State(state::State),
    #[command(subcommand)]
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Compact(backup::Compact),
    Bench(bench::Bench),
    #[command(subcommand)]
    Events(events::Events),
    #[command(subcommand)]
    Profile(profile::Profile),
    Whoami(whoami::Whoami),
    Completion(completion::Completion),
    #[command(hide = true)]
    CompileChild(compile_child::CompileChild),
}

/// Does what the arguments of the process say. Bad usage is told and ends the process here.
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| error::of_usage(&error));
    // A server reads its configuration first.
    if !matches!(cli.command, Command::Serve(_)) {
        log::of_command();
    }
    let format = if cli.json { Format::Json } else { Format::Text };
    run(&cli.command, format).unwrap_or_else(|error| error::tell(&error, format)).into()
}

fn run(command: &Command, format: Format) -> anyhow::Result<Exit> {
    match command {
        Command::Exec(exec) => exec::run(exec, format),
        Command::Resume(resume) => resume::run(resume, format),
        Command::Serve(serve) => serve::run(serve, format),
        Command::Dev(dev) => dev::run(dev, format),
        Command::Run(run) => run::run(run, format),
        Command::DeadLetter(letter) => dead_letter::run(letter, format),
        Command::Tenant(tenant) => tenant::run(tenant, format),
        Command::Key(key) => key::run(key, format),
        Command::Profile(profile) => profile::run(profile, format),
        Command::Plugin(plugin) => plugin::run(plugin, format),
        Command::Saga(saga) => saga::run(saga, format),
        Command::Secret(secret) => secret::run(secret, format),
        Command::Webhook(webhook) => webhook::run(webhook, format),
        Command::State(state) => state::run(state, format),
        Command::Audit(audit) => audit::run(audit, format),
        Command::Backup(backup) => backup::back_up(backup, format),
        Command::Restore(restore) => backup::restore(restore, format),
        Command::Compact(compact) => backup::compact(compact, format),
        Command::Bench(bench) => bench::run(bench, format),
        Command::Events(events) => events::run(events, format),
        Command::Whoami(whoami) => whoami::run(whoami, format),
        Command::Completion(completion) => Ok(completion::run(completion)),
        Command::CompileChild(child) => compile_child::run(child),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Clap looks for this in debug builds only, and flattened arguments come from several files.
    #[test]
    fn no_command_has_two_arguments_of_one_name() {
        fn check(command: &clap::Command) {
            let mut names: Vec<_> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "`{}`: {names:?}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_noun = command.has_subcommands() && command.get_name() != "amends";
            assert!(is_noun || help.contains("  amends "), "`{}` has no example", command.get_name());
            assert!(command.get_about().is_some(), "`{}` says nothing", command.get_name());
            command.get_subcommands().filter(|command| command.get_name() != "help").for_each(check);
        }
        Cli::command().debug_assert();
        check(&Cli::command());
    }
}
