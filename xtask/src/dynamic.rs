//! `cargo xtask guests --dynamic`: the plugin `places` in Python and in JavaScript, each made a component by the tool of its language. Apart from
//! `guests`, because it needs those languages and their registries, which nobody needs who builds and tests the host.
//!
//! The tools are installed under `target/`, in the versions that the plugin's folder names with their digests, and nothing outside changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{Process, Stopwatch};
use crate::release;
use crate::workspace::Workspace;

/// Where the plugin lies, with a folder for each language.
const PLUGIN: &str = "plugins/places";
/// What both are built for: see `wit/world.wit`.
const WORLD: &str = "described";

/// What a language is run with.
#[derive(Debug)]
struct Interpreter {
    program: &'static str,
    name: &'static str,
    oldest: Version,
    remedy: &'static str,
}

/// Major and minor.
type Version = (u32, u32);

const PYTHON: Interpreter = Interpreter {
    program: "python3",
    name: "Python",
    oldest: (3, 10),
    remedy: "install it with its `venv` and `pip`; on Debian `apt-get install python3 python3-venv`",
};
const NODE: Interpreter = Interpreter {
    program: "node",
    name: "Node.js",
    oldest: (20, 0),
    remedy: "install it with its `npm`; on Debian `apt-get install nodejs npm`",
};

/// Builds the component of each language. Whoever has only one of them gets that one, and hears of the other at the end.
///
/// # Errors
/// What is missing of the languages, or why a component could not be built.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let watch = Stopwatch::start();
    fs::create_dir_all(workspace.target.join("guests")).context("failed to create the folder of the guests")?;
    let built = [python(workspace), javascript(workspace)];
    let mistakes: Vec<_> = built.iter().filter_map(|built| built.as_ref().err()).map(|error| format!("{error:#}")).collect();
    if mistakes.is_empty() {
        println!("guests: places in Python and JavaScript built in {}", watch.elapsed());
        Ok(())
    } else {
        bail!("{}", mistakes.join("\nerror: "))
    }
}

/// Builds them and runs them in the host.
///
/// # Errors
/// If something cannot be built, or they do not do in the host what they are for.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    build(workspace)?;
    release::build(workspace)?;
    Process::cargo("test --release --test dynamic -- --ignored".split(' ')).within(workspace).show()?.must_succeed()?;
    Ok(())
}

fn python(workspace: &Workspace) -> Result<()> {
    PYTHON.must_be_here()?;
    let environment = workspace.target.join("guests-python");
    let tool = |name: &str| environment.join("bin").join(name);
    let (folder, source) = (text(workspace.short(&environment))?, format!("{PLUGIN}/python"));
    if !tool("python").exists() {
        Process::new(PYTHON.program, ["-m", "venv", folder]).within(workspace).show()?.must_succeed().context(PYTHON.remedy)?;
    }
    let requirements = format!("{source}/requirements.txt");
    // What is there already is not asked for again.
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--requirement", &requirements];
    Process::new(tool("python"), install).called("python").within(workspace).show()?.must_succeed()?;
    let component = component(workspace, "places-python");
    let componentize =
        ["--wit-path", "wit", "--world", WORLD, "componentize", "--stub-wasi", "--python-path", &source, "places", "--output"];
    let componentize = componentize.into_iter().chain([text(workspace.short(&component))?]);
    // It looks for modules in the environment that it is told, else in whichever this terminal has.
    let process = Process::new(tool("componentize-py"), componentize).called("componentize-py").set("VIRTUAL_ENV", &environment);
    process.within(workspace).show()?.must_succeed()?;
    tell(workspace, &component)
}

fn javascript(workspace: &Workspace) -> Result<()> {
    NODE.must_be_here()?;
    let source = workspace.root.join(PLUGIN).join("javascript");
    let folder = workspace.target.join("guests-javascript");
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    install_packages(workspace, &source, &folder)?;
    let (entry, component) = (source.join("places.js"), component(workspace, "places-javascript"));
    let (entry, output) = (text(workspace.short(&entry))?, text(workspace.short(&component))?);
    let tool = folder.join("node_modules/.bin/componentize-js");
    // Without the features of WASI the component imports nothing but the contract, and starts faster.
    let componentize = [entry, "--wit", "wit", "--world-name", WORLD, "--out", output, "--disable"];
    let componentize = componentize.into_iter().chain(["stdio", "random", "clocks", "http", "fetch-event"]);
    Process::new(tool, componentize).called("componentize-js").within(workspace).show()?.must_succeed()?;
    tell(workspace, &component)
}

/// Installs what the lock file names, unless that is there.
fn install_packages(workspace: &Workspace, source: &Path, folder: &Path) -> Result<()> {
    // npm writes this one when all is installed.
    let mut is_there = folder.join("node_modules/.package-lock.json").exists();
    for name in ["package.json", "package-lock.json"] {
        let (from, to) = (source.join(name), folder.join(name));
        let wanted = fs::read(&from).with_context(|| format!("failed to read {}", from.display()))?;
        if fs::read(&to).is_ok_and(|found| found == wanted) {
            continue;
        }
        fs::write(&to, wanted).with_context(|| format!("failed to write {}", to.display()))?;
        is_there = false;
    }
    if is_there {
        return Ok(());
    }
    let install = ["ci", "--prefix", text(workspace.short(folder))?, "--ignore-scripts", "--no-audit", "--no-fund"];
    Process::new("npm", install).within(workspace).show().context(NODE.remedy)?.must_succeed()?;
    Ok(())
}

fn component(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("guests").join(format!("{name}.wasm"))
}

fn tell(workspace: &Workspace, component: &Path) -> Result<()> {
    let len = fs::metadata(component).with_context(|| format!("{} was not written", component.display()))?.len();
    println!("{}  {} KiB", workspace.short(component).display(), len / 1024);
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))
}

impl Interpreter {
    fn must_be_here(&self) -> Result<()> {
        let said = Process::new(self.program, ["--version"]).keep().ok().filter(|ended| ended.status.success());
        self.judge(said.as_ref().map(|ended| ended.stdout.trim()))
    }

    /// Whether what it said about its version will do; none if it said nothing.
    fn judge(&self, said: Option<&str>) -> Result<()> {
        let Self { program, name, oldest: (major, minor), remedy } = self;
        match said.map(|said| (said, version(said))) {
            Some((_, Some(found))) if found >= self.oldest => Ok(()),
            Some((said, _)) => bail!("`{program}` is `{said}`, and {name} {major}.{minor} or newer is needed: {remedy}"),
            None => bail!("{name} {major}.{minor} or newer is needed, and `{program}` cannot be run: {remedy}"),
        }
    }
}

/// Reads `Python 3.11.7` or `v20.20.2`.
fn version(said: &str) -> Option<Version> {
    let mut numbers = said.trim_start_matches(|letter: char| !letter.is_ascii_digit()).split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_enough_is_taken_and_what_is_not_is_told_with_its_remedy() {
        for (interpreter, said) in
            [(PYTHON, "Python 3.10.0"), (PYTHON, "Python 3.14.2+"), (PYTHON, "Python 4.0.1"), (NODE, "v20.0.0")]
        {
            assert!(interpreter.judge(Some(said)).is_ok(), "{said}");
        }
        for (interpreter, said, told) in [
            (PYTHON, Some("Python 3.9.25"), "`python3` is `Python 3.9.25`, and Python 3.10 or newer is needed: install"),
            (PYTHON, Some("Python 2.7.18"), "`python3` is `Python 2.7.18`, and"),
            (PYTHON, Some(""), "`python3` is ``, and"),
            (PYTHON, None, "Python 3.10 or newer is needed, and `python3` cannot be run: install"),
            (NODE, Some("v18.20.4"), "`node` is `v18.20.4`, and Node.js 20.0 or newer is needed: install"),
            (NODE, None, "apt-get install nodejs npm"),
        ] {
            let error = interpreter.judge(said).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
