//! `amends completion`: what a shell needs to complete these commands.

use super::output::Exit;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  amends completion bash > ~/.local/share/bash-completion/completions/amends
  amends completion zsh > ~/.zfunc/_amends
  amends completion fish > ~/.config/fish/completions/amends.fish";

/// Print what a shell needs to complete these commands
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(completion: &Completion) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(completion.shell, &mut super::Cli::command(), "amends", &mut script);
    // A shell that went away needs none.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), &script);
    Exit::Done
}
