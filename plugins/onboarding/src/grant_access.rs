//! `grant-access`: an account joins its groups, and whoever works at a site gets a badge. All of it or nothing: what an attempt that was
//! rejected wrote is discarded, so it needs no order of its own for taking back half of it.

use std::collections::BTreeSet;

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::{books, rosters};

/// Which access is wanted for whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessWanted {
    /// The account's login.
    pub login: String,
    /// The groups that it joins.
    pub groups: BTreeSet<String>,
    /// The site whose badge the employee gets; none for somebody who works elsewhere.
    #[serde(default)]
    pub site: Option<String>,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Access {
    /// The account's login.
    pub login: String,
    /// The groups that it joined.
    pub groups: BTreeSet<String>,
    /// The badge, if there is one.
    pub badge: Option<Badge>,
}

/// A badge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Badge {
    /// Where it opens doors.
    pub site: String,
    /// Its number, unique at the site.
    pub number: u32,
}

/// Lets an account join groups and assigns a badge; takes both back when the run fails.
#[derive(Debug)]
pub struct GrantAccess;

impl Step for GrantAccess {
    const NAME: &'static str = "grant-access";
    const DOC: &'static str = "Lets an account join groups and assigns a badge; takes both back when the run fails.";
    type Input = AccessWanted;
    type Output = Access;

    fn execute(wanted: AccessWanted) -> Result<Access, Failure> {
        let mut access = grant(wanted.login, wanted.groups, wanted.site)?;
        rehearse::forward(&wanted.rehearse, &mut access.login)?;
        Ok(access)
    }

    fn compensate(wanted: AccessWanted, _access: Option<Access>) -> Result<(), Failure> {
        take_back()?;
        rehearse::backward(&wanted.rehearse)
    }
}

fn grant(login: String, groups: BTreeSet<String>, site: Option<String>) -> Result<Access, Failure> {
    let key = books::own_key("access");
    if let Some(access) = state::get(&key)? {
        return Ok(access);
    }
    groups.iter().try_for_each(|group| rosters::join(group, &login))?;
    let badge = site.map(|site| rosters::take_badge(&site).map(|number| Badge { site, number })).transpose()?;
    let access = Access { login, groups, badge };
    state::set(&key, &access)?;
    Ok(access)
}

fn take_back() -> Result<(), Failure> {
    let key = books::own_key("access");
    let Some(Access { login, groups, badge }) = state::get(&key)? else { return Ok(()) };
    groups.iter().try_for_each(|group| rosters::leave(group, &login))?;
    if let Some(Badge { site, number }) = badge {
        rosters::return_badge(&site, number)?;
    }
    state::remove(&key);
    Ok(())
}
