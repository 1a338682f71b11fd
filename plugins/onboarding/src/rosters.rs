//! Who is in a group and who wears which badge. Apart from the supplies, because here it matters which seat and which number is taken,
//! not only how many: no seat and no badge appears or vanishes.

use std::collections::BTreeSet;

use amends_sdk::{Failure, state};
use serde::{Deserialize, Serialize};

/// A group with a limited number of seats.
#[derive(Debug, Serialize, Deserialize)]
struct Group {
    free: u64,
    members: BTreeSet<String>,
}

/// The badges of a site, by number.
#[derive(Debug, Serialize, Deserialize)]
struct Badges {
    free: BTreeSet<u32>,
    assigned: BTreeSet<u32>,
}

/// Takes a seat of a group; rejected as `unknown_group`, `already_a_member` or `group_full`.
pub(crate) fn join(group: &str, login: &str) -> Result<(), Failure> {
    let Group { free, mut members } = known_group(group)?;
    if members.contains(login) {
        return Err(Failure::rejected("already_a_member", format!("`{login}` is in group `{group}` already")));
    }
    let free = free
        .checked_sub(1)
        .ok_or_else(|| Failure::rejected("group_full", format!("group `{group}` has no seat left for `{login}`")))?;
    members.insert(login.to_owned());
    state::set(&group_key(group), &Group { free, members })
}

/// Gives back a seat of a group.
pub(crate) fn leave(group: &str, login: &str) -> Result<(), Failure> {
    let Group { free, mut members } = known_group(group)?;
    if !members.remove(login) {
        return Err(Failure::rejected("books_disagree", format!("`{login}` should leave group `{group}` and is not in it")));
    }
    state::set(&group_key(group), &Group { free: free.saturating_add(1), members })
}

/// Takes the free badge with the lowest number; rejected as `unknown_site` or `no_badge_left`.
pub(crate) fn take_badge(site: &str) -> Result<u32, Failure> {
    let mut badges = known_badges(site)?;
    let number =
        badges.free.pop_first().ok_or_else(|| Failure::rejected("no_badge_left", format!("site `{site}` has no badge left")))?;
    badges.assigned.insert(number);
    state::set(&badges_key(site), &badges)?;
    Ok(number)
}

/// Gives back a badge.
pub(crate) fn return_badge(site: &str, number: u32) -> Result<(), Failure> {
    let mut badges = known_badges(site)?;
    if !badges.assigned.remove(&number) {
        return Err(Failure::rejected("books_disagree", format!("badge {number} of site `{site}` is not assigned")));
    }
    badges.free.insert(number);
    state::set(&badges_key(site), &badges)
}

fn known_group(group: &str) -> Result<Group, Failure> {
    state::get(&group_key(group))?.ok_or_else(|| Failure::rejected("unknown_group", format!("no group `{group}` in the directory")))
}

fn known_badges(site: &str) -> Result<Badges, Failure> {
    state::get(&badges_key(site))?.ok_or_else(|| Failure::rejected("unknown_site", format!("no badges for site `{site}`")))
}

fn group_key(group: &str) -> String {
    ["group", group].join("/")
}

fn badges_key(site: &str) -> String {
    ["badges", site].join("/")
}
