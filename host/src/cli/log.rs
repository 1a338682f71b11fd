//! Where what happens inside is told: on standard error, for people or for programs. Apart, because a server is told how by its configuration, and
//! every other command by one variable.

use crate::config::LogFormat;
use tracing_subscriber::EnvFilter;

/// For a command.
pub(super) fn of_command() {
    let filter = EnvFilter::try_from_env("AMENDS_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    begin(filter, LogFormat::Text);
}

/// For a server. `level` was checked when the configuration was read.
pub(super) fn of_server(level: &str, format: LogFormat) {
    begin(EnvFilter::new(level), format);
}

fn begin(filter: EnvFilter, format: LogFormat) {
    let told = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => told.init(),
        LogFormat::Json => told.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}
