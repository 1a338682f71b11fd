//! The user's profiles: servers by name, with a token for each. One file that nobody else may read; one that others can read is refused, as what
//! they could read they may have.

use super::super::error::{misuse, refused};
use super::place::variable;
use amends_domain::id::TenantId;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Most bytes of the file.
const FILE_LEN_MAX: u64 = 1024 * 1024;
/// Most profiles.
const PROFILES_MAX: usize = 1000;
/// Longest name of a profile, bytes.
const NAME_LEN_MAX: usize = 64;

/// A server and who asks there.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Profile {
    pub(in crate::cli) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) tenant: Option<TenantId>,
    /// Certificates that vouch for the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) ca_file: Option<PathBuf>,
}

/// All profiles, and which of them is meant where none is named.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Profiles {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) default: Option<String>,
    #[serde(default)]
    pub(in crate::cli) profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads the user's profiles; none if there is no file.
    pub(in crate::cli) fn read() -> anyhow::Result<Self> {
        let Some(path) = path() else { return Ok(Self::default()) };
        Self::read_from(&path)
    }

    fn read_from(path: &Path) -> anyhow::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(misuse("profiles_not_readable", format!("failed to read {}: {error}", path.display()))),
        };
        let mode = file.metadata().with_context(|| path.display().to_string())?.permissions().mode();
        if mode & 0o077 != 0 {
            let shown = path.display();
            let message =
                format!("{shown} has tokens in it and others may read it: chmod 600 {shown}, and renew the keys if others could");
            return Err(refused("profiles_not_private", message));
        }
        let mut text = String::new();
        let read = file.take(FILE_LEN_MAX).read_to_string(&mut text);
        read.map_err(|error| misuse("profiles_not_readable", format!("failed to read {}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| misuse("profiles_malformed", format!("{}: {}", path.display(), error.message())))
    }

    /// The profile of this name, or the default one.
    pub(super) fn get(&self, named: Option<&str>) -> anyhow::Result<Profile> {
        let Some(name) = named.or(self.default.as_deref()) else {
            let message = "it is not said where: --data DIR for a data directory; for a server --url (or AMENDS_URL), or a profile: \
                           amends profile add NAME --url URL";
            return Err(misuse("no_server", message));
        };
        self.profiles.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            misuse("unknown_profile", format!("there is no profile `{name}`: {known}; amends profile add {name} --url URL"))
        })
    }

    /// Adds a profile, or replaces the one of this name. The first one is the default.
    pub(in crate::cli) fn put(&mut self, name: &str, profile: Profile) -> anyhow::Result<()> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if !plain || !(1..=NAME_LEN_MAX).contains(&name.len()) {
            let message = format!("`{name}` is no name of a profile: 1 to {NAME_LEN_MAX} letters, digits, `-`, `_` and `.`");
            return Err(misuse("profile_name", message));
        }
        self.profiles.insert(name.to_owned(), profile);
        if self.profiles.len() > PROFILES_MAX {
            return Err(refused("too_many_profiles", format!("there are {PROFILES_MAX} profiles already: remove some")));
        }
        self.default.get_or_insert_with(|| name.to_owned());
        Ok(())
    }

    /// Writes them, for the user alone. A file that is half written is never in its place.
    pub(in crate::cli) fn write(&self) -> anyhow::Result<PathBuf> {
        let path = path().ok_or_else(|| misuse("no_home", "there is no place for profiles: set HOME or XDG_CONFIG_HOME"))?;
        self.write_to(&path).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }

    fn write_to(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().context("it has a folder")?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let next = folder.join(format!(".profiles-{}.toml", std::process::id()));
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next).and_then(|mut file| {
            file.write_all(toml::to_string(self).map_err(std::io::Error::other)?.as_bytes())?;
            file.sync_all()
        });
        let moved = written.and_then(|()| std::fs::rename(&next, path));
        if moved.is_err() {
            let _ = std::fs::remove_file(&next);
        }
        Ok(moved?)
    }
}

/// Where the profiles are (XDG Base Directory Specification); none if the user has no home.
fn path() -> Option<PathBuf> {
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")));
    config.map(|config| config.join("amends/profiles.toml"))
}

#[cfg(test)]
mod tests {
    use super::super::super::error::message;
    use super::*;

    fn profile(url: &str) -> Profile {
        Profile { url: url.to_owned(), token: Some("amt_x".into()), tenant: None, ca_file: None }
    }

    #[test]
    fn profiles_are_written_for_the_user_alone_and_refused_when_others_can_read_them() {
        let folder = std::env::temp_dir().join(format!("amends-profiles-{}", std::process::id()));
        let path = folder.join("amends/profiles.toml");
        let mut profiles = Profiles::read_from(&path).expect("none is no mistake");
        profiles.put("prod", profile("https://a")).expect("a good name");
        profiles.put("dev", profile("http://b")).expect("a good name");
        profiles.write_to(&path).expect("there is room");
        assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        let read = Profiles::read_from(&path).expect("it is private");
        let url = |named| read.get(named).map(|profile| profile.url).map_err(|error| message(&error));
        assert_eq!((url(None), url(Some("dev"))), (Ok("https://a".into()), Ok("http://b".into())));
        assert!(url(Some("none")).is_err_and(|error| error.contains("dev, prod")));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
        assert!(Profiles::read_from(&path).err().is_some_and(|error| message(&error).contains("chmod 600")));
        std::fs::remove_dir_all(folder).expect("it was made here");
    }

    #[test]
    fn a_profile_has_a_plain_name_and_without_one_it_is_said_what_helps() {
        let mut profiles = Profiles::default();
        for bad in ["", "a b", "a/b", &"x".repeat(65)] {
            assert!(profiles.put(bad, profile("http://a")).is_err(), "{bad}");
        }
        assert!(profiles.get(None).err().is_some_and(|error| message(&error).contains("--data DIR")));
    }
}
