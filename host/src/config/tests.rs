//! What counts before what, and how mistakes are told.

use super::*;
use std::collections::HashMap;
use std::io::Write;

/// A file with this text, which is gone when it is dropped.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("amends-config-{}-{name}.toml", std::process::id()));
        std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).expect("there is room");
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("it was made here");
    }
}

fn read(file: Option<&Path>, flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Config::read(Said { flags, file }, |name| variables.get(name).map(|text| (*text).to_owned()))
}

fn problems(read: Result<Config, ConfigError>) -> Vec<(String, String)> {
    read.expect_err("it is wrong").0.into_iter().map(|mistake| (mistake.place, mistake.problem)).collect()
}

#[test]
fn a_flag_counts_before_a_variable_before_the_file_before_the_default() {
    let file = Written::new("order", "data = '/f'\ngrace = '1s'\nlisten = '127.0.0.1:1'\n[guests]\nattempts_max = 7\n");
    let variables = [("AMENDS_GRACE", "2s"), ("AMENDS_LISTEN", "127.0.0.1:2"), ("AMENDS_RUNS_ADOPTED_MAX", "")];
    let config = read(Some(&file.0), &[("listen", "127.0.0.1:3")], &variables).expect("all is right");
    let Settings { data, listen, grace, attempts_max, adopted_max, .. } = &config.settings;
    assert_eq!((data.to_str(), listen.port(), *grace, *attempts_max), (Some("/f"), 3, amends_domain::time::Span(2000), 7));
    assert_eq!(*adopted_max, 256, "a variable that is empty says nothing");
    let said: HashMap<_, _> = config.effective().map(|(name, _, source)| (name, source.to_string())).collect();
    let line = |line: usize| format!("{}:{line}", file.0.display());
    assert_eq!((&*said["listen"], &*said["grace"], &*said["runs.adopted_max"]), ("--listen", "AMENDS_GRACE", "default"));
    assert_eq!((&said["data"], &said["guests.attempts_max"]), (&line(1), &line(5)));
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place() {
    let text = "listen = 'nowhere'\ncolour = 1\n\n[guests]\nthread = 2\nattempts_max = 0\n[log]\nformat = true\n[secrets]\nmaster_key = 'ab'\n";
    let file = Written::new("wrong", text);
    let found = problems(read(Some(&file.0), &[], &[("AMENDS_GRACE", "soon"), ("AMENDS_LOG", "=loud")]));
    let line = |line: usize| format!("{}:{line}", file.0.display());
    for (place, says) in [
        ("data".to_owned(), "nobody says where everything is kept"),
        (line(1), "`nowhere` is no address"),
        (line(2), "there is no key `colour`"),
        (line(5), "did you mean `guests.threads`?"),
        (line(6), "`0` is no whole number from 1 to 16384"),
        (line(8), "neither a text nor a whole number"),
        (line(10), "secrets are not written here"),
        ("AMENDS_GRACE".to_owned(), "`soon` is not a span"),
        ("AMENDS_LOG".to_owned(), "`=loud` is no level"),
    ] {
        assert!(found.iter().any(|(at, problem)| *at == place && problem.contains(says)), "{place}: {says} in {found:?}");
    }
    assert_eq!(found.len(), 9, "{found:?}");
    assert!(!found.iter().any(|(_, problem)| problem.contains("ab'")), "no secret is told");
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_told_with_its_place() {
    let file = Written::new("broken", "data = '/d'\nlisten = \ngrace = '1s\n");
    let found = problems(read(Some(&file.0), &[], &[]));
    assert!(found.iter().any(|(place, _)| place.ends_with(":2")), "{found:?}");
    let found = problems(read(Some(Path::new("/nowhere/at/all.toml")), &[], &[]));
    assert!(found.iter().any(|(place, problem)| place == "--config" && problem.contains("/nowhere/at/all.toml")), "{found:?}");
}

#[test]
fn what_does_not_go_together_is_a_mistake() {
    let together = [("AMENDS_DATA", "/d"), ("AMENDS_LISTEN", "127.0.0.1:5"), ("AMENDS_METRICS_LISTEN", "127.0.0.1:5")];
    assert_eq!(problems(read(None, &[], &together))[0].0, "AMENDS_METRICS_LISTEN");
    assert!(read(None, &[], &together[..2]).is_ok());
}

#[test]
fn a_floor_is_bytes_or_a_part() {
    let floor = |text: &str| {
        read(None, &[], &[("AMENDS_DATA", "/d"), ("AMENDS_DISK_FREE_MIN", text)]).map(|config| config.settings.disk_free_min)
    };
    assert_eq!(floor("5%").map(|floor| floor.of(2000)), Ok(100));
    assert_eq!(floor("1KiB").map(|floor| floor.of(10)), Ok(1024));
    assert!(floor("91%").is_err() && floor("half").is_err());
}

/// What the page must say. `AMENDS_RENEW_GOLDEN=1` writes it.
#[test]
fn the_documentation_has_every_key() {
    use std::fmt::Write;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once("<!-- keys -->\n").expect("the table begins");
    let (_, after) = rest.split_once("<!-- end of keys -->").expect("the table ends");
    let mut table = "| key | variable, flag | default | how it is written | what it is |\n|---|---|---|---|---|\n".to_owned();
    for Key { name, variable, flag, default, form, what } in KEYS {
        let flag = flag.map_or_else(String::new, |flag| format!(", `{flag}`"));
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        writeln!(table, "| `{name}` | `{variable}`{flag} | {default} | {form} |{what} |").expect("a text takes all");
    }
    let wanted = format!("{before}<!-- keys -->\n{table}<!-- end of keys -->{after}");
    if std::env::var_os("AMENDS_RENEW_GOLDEN").is_some() {
        std::fs::write(&path, &wanted).expect("the page can be written");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the page is there"), wanted, "renew it with AMENDS_RENEW_GOLDEN=1");
}
