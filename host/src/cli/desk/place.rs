//! Which desk: what the arguments, the variables and the user's profiles say, in this order. A token comes from a file, a variable or a profile,
//! never from the command line, which others on the machine can read.

use super::super::argument::text_file;
use super::super::error::misuse;
use super::super::output::{plain, remark};
use super::here::Here;
use super::{Desk, Profile, Profiles, There};
use crate::client::{Authorities, Client};
use amends_domain::id::TenantId;
use clap::Args;
use std::path::{Path, PathBuf};

/// A server, or a data directory.
#[derive(Debug, Args)]
pub(in crate::cli) struct At {
    /// The data directory, for work in this process
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "profile", "token_file", "ca_file"])]
    data: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// A server, and who asks.
#[derive(Debug, Args)]
pub(in crate::cli) struct Server {
    /// The server, such as `http://127.0.0.1:7878` [env: `AMENDS_URL`]
    #[arg(long, value_name = "URL", conflicts_with = "profile")]
    url: Option<String>,
    /// The profile that names the server: `amends profile list` [env: `AMENDS_PROFILE`]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A file with the token [env: `AMENDS_TOKEN_FILE`; `AMENDS_TOKEN` has the token itself]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A file with certificates (PEM) that vouch for the server [env: `AMENDS_CA_FILE`]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The tenant; where none is named: `local` in a data directory, on a server that of the profile or the key [env: `AMENDS_TENANT`]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
}

impl At {
    /// Where the command goes.
    pub(in crate::cli) fn desk(&self) -> anyhow::Result<Box<dyn Desk>> {
        match &self.data {
            Some(data) => Ok(Box::new(Here { data: data.clone(), tenant: self.local() })),
            None => Ok(Box::new(self.server.there()?)),
        }
    }

    /// The data directory, if the command goes there, and whose things in it.
    pub(in crate::cli) fn here(&self) -> Option<(&Path, TenantId)> {
        self.data.as_deref().map(|data| (data, self.local()))
    }

    /// The same; none where no tenant is named.
    pub(in crate::cli) fn directory(&self) -> Option<(&Path, Option<&TenantId>)> {
        self.data.as_deref().map(|data| (data, self.tenant()))
    }

    /// The tenant that is named.
    pub(in crate::cli) fn tenant(&self) -> Option<&TenantId> {
        self.server.tenant.as_ref()
    }

    /// The server, if the command does not go to a data directory.
    pub(in crate::cli) fn there(&self) -> anyhow::Result<There> {
        self.server.there()
    }

    /// Refuses a tenant that was named: what is asked is of all of them.
    pub(in crate::cli) fn of_all_tenants(&self) -> anyhow::Result<()> {
        match &self.server.tenant {
            None => Ok(()),
            Some(tenant) => {
                Err(misuse("tenant_not_apart", format!("this is of all tenants, not of {tenant} alone: leave --tenant out")))
            }
        }
    }

    fn local(&self) -> TenantId {
        self.server.tenant.clone().unwrap_or_else(|| TenantId::new("local").expect("it is a name"))
    }
}

impl Server {
    /// The server that is meant.
    pub(in crate::cli) fn there(&self) -> anyhow::Result<There> {
        let said = self.url.as_ref().map(|url| format!(" --url {url}"));
        let said = said.or_else(|| self.profile.as_ref().map(|name| format!(" --profile {name}")));
        let (profile, authorities) = self.reach()?;
        let client = Client::new(&profile.url, profile.token.as_deref(), &authorities)?;
        if client.is_in_the_clear() && profile.token.is_some() {
            remark(plain(&format!("warning: the token travels in the clear to {}: use https", client.url())))?;
        }
        let tenant_said = self.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}"));
        Ok(There::new(client, profile.tenant, [said, tenant_said].into_iter().flatten().collect()))
    }

    /// Where it is, who asks, whose things are meant, and who vouches for it.
    pub(in crate::cli) fn reach(&self) -> anyhow::Result<(Profile, Authorities)> {
        let url = self.url.clone().or_else(|| self.profile.is_none().then(|| variable("AMENDS_URL")).flatten());
        let mut profile = match url {
            Some(url) => self.by_url(url)?,
            None => self.by_profile(self.profile.clone().or_else(|| variable("AMENDS_PROFILE")).as_deref())?,
        };
        let ca_file = self.ca_file.clone().or(profile.ca_file.take()).or_else(|| variable("AMENDS_CA_FILE").map(PathBuf::from));
        let authorities = ca_file.map(|path| Authorities::read(&path)).transpose()?.unwrap_or_default();
        profile.tenant = self.tenant.clone().or(profile.tenant);
        Ok((profile, authorities))
    }

    fn by_url(&self, url: String) -> anyhow::Result<Profile> {
        let file = self.token_file.clone().or_else(|| variable("AMENDS_TOKEN_FILE").map(PathBuf::from));
        let token = match (self.token_file.is_some(), variable("AMENDS_TOKEN"), file) {
            (false, Some(token), _) => Some(token),
            (_, _, Some(file)) => Some(token_of(&file)?),
            (_, _, None) => None,
        };
        Ok(Profile { url, token, tenant: tenant_of_environment()?, ca_file: None })
    }

    fn by_profile(&self, named: Option<&str>) -> anyhow::Result<Profile> {
        let mut profile = Profiles::read()?.get(named)?;
        if let Some(file) = &self.token_file {
            profile.token = Some(token_of(file)?);
        }
        profile.tenant = tenant_of_environment()?.or(profile.tenant);
        Ok(profile)
    }
}

/// The token in a file; spaces and ends of lines around it are left out.
pub(in crate::cli) fn token_of(file: &Path) -> anyhow::Result<String> {
    let text = text_file(file)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(misuse("token_missing", format!("{} has no token in it", file.display())));
    }
    Ok(token.to_owned())
}

fn tenant_of_environment() -> anyhow::Result<Option<TenantId>> {
    let read = |name: String| name.parse().map_err(|error| misuse("tenant_name", format!("AMENDS_TENANT: {error}")));
    variable("AMENDS_TENANT").map(read).transpose()
}

/// A variable that says something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
