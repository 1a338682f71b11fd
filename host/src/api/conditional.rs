//! Conditional requests (RFC 9110 §13): whoever has what there is need not be sent it again, and whoever changes something can say what they
//! think that it is now.

use super::problem::Problem;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

/// Most entity tags that one header names.
const TAGS_MAX: usize = 100;

/// What a request depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conditions {
    is: Option<Tags>,
    is_not: Option<Tags>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<Tag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    strength: Strength,
    opaque: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

/// What follows for whoever only looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Show it.
    Show,
    /// They have it.
    Same,
}

impl Conditions {
    /// What the headers say.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { is: tags(headers, &IF_MATCH)?, is_not: tags(headers, &IF_NONE_MATCH)? })
    }

    /// Whether something may be changed that has this tag now; none: it is not there.
    pub(super) fn hold(&self, now: Option<&str>) -> bool {
        let is = match &self.is {
            None => true,
            Some(Tags::Any) => now.is_some(),
            Some(Tags::These(tags)) => tags.iter().any(|tag| tag.strength == Strength::Strong && now == Some(&tag.opaque)),
        };
        is && !self.is_had(now)
    }

    fn is_had(&self, now: Option<&str>) -> bool {
        match &self.is_not {
            None => false,
            Some(Tags::Any) => now.is_some(),
            Some(Tags::These(tags)) => tags.iter().any(|tag| now == Some(&tag.opaque)),
        }
    }

    /// What whoever looks at something with this tag is answered.
    pub(super) fn look(&self, now: &str) -> Result<Look, Problem> {
        let asked = Self { is: self.is.clone(), is_not: None };
        if !asked.hold(Some(now)) {
            return Err(failed(Some(now)));
        }
        Ok(if self.is_had(Some(now)) { Look::Same } else { Look::Show })
    }
}

/// It is not as somebody thought.
pub(super) fn failed(now: Option<&str>) -> Problem {
    let is = now.map_or_else(|| "there is none".to_owned(), |now| format!("its entity tag is \"{now}\""));
    Problem::new("precondition_failed", format!("it is not as the request says: {is}"))
}

/// The header that says what an answer is of.
pub(super) fn tag(opaque: &str) -> [(HeaderName, String); 1] {
    [(ETAG, format!("\"{opaque}\""))]
}

/// An answer with a tag, or that its reader has it already.
pub(super) fn shown(conditions: &Conditions, opaque: &str, show: impl IntoResponse) -> Result<Response, Problem> {
    Ok(match conditions.look(opaque)? {
        Look::Show => (tag(opaque), show).into_response(),
        Look::Same => (StatusCode::NOT_MODIFIED, tag(opaque)).into_response(),
    })
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let wrong = || Problem::new("precondition_malformed", format!("`{name}` is neither `*` nor a list of entity tags in quotes"));
    let mut said = Vec::new();
    for value in headers.get_all(name) {
        said.push(value.to_str().map_err(|_| wrong())?.trim());
    }
    // Some programs send a header that they have nothing to say in.
    if said.iter().all(|value| value.is_empty()) {
        return Ok(None);
    }
    match said.as_slice() {
        [] => Ok(None),
        ["*"] => Ok(Some(Tags::Any)),
        said => {
            let mut tags = Vec::new();
            for list in said {
                read(list, &mut tags).ok_or_else(wrong)?;
            }
            if tags.is_empty() { Err(wrong()) } else { Ok(Some(Tags::These(tags))) }
        }
    }
}

/// Reads a list of tags; none if it is none. A tag may have commas.
fn read(mut list: &str, tags: &mut Vec<Tag>) -> Option<()> {
    loop {
        list = list.trim_start_matches([' ', '\t', ',']);
        if list.is_empty() {
            return Some(());
        }
        let (strength, rest) = list.strip_prefix("W/").map_or((Strength::Strong, list), |rest| (Strength::Weak, rest));
        let (opaque, rest) = rest.strip_prefix('"')?.split_once('"')?;
        if tags.len() == TAGS_MAX || !opaque.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        tags.push(Tag { strength, opaque: opaque.to_owned() });
        list = rest;
        if !list.trim_start().is_empty() && !list.trim_start().starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn conditions(said: &[(HeaderName, &'static str)]) -> Result<Conditions, &'static str> {
        let headers = said.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        Conditions::read(&headers.collect::<HeaderMap>()).map_err(|problem| problem.code())
    }

    #[test]
    fn something_is_changed_if_it_is_as_somebody_thinks() {
        for (said, now, holds) in [
            (vec![], None, true),
            (vec![(IF_MATCH, "")], None, true),
            (vec![(IF_MATCH, "\"3\"")], Some("3"), true),
            (vec![(IF_MATCH, "\"3\"")], Some("4"), false),
            (vec![(IF_MATCH, "\"3\"")], None, false),
            (vec![(IF_MATCH, "\"2\", \"3\"")], Some("3"), true),
            (vec![(IF_MATCH, "W/\"3\"")], Some("3"), false),
            (vec![(IF_MATCH, "*")], Some("3"), true),
            (vec![(IF_MATCH, "*")], None, false),
            (vec![(IF_NONE_MATCH, "*")], None, true),
            (vec![(IF_NONE_MATCH, "*")], Some("3"), false),
            (vec![(IF_NONE_MATCH, "\"3\"")], Some("3"), false),
            (vec![(IF_NONE_MATCH, "\"3\"")], Some("4"), true),
        ] {
            assert_eq!(conditions(&said).expect("they are conditions").hold(now), holds, "{said:?} {now:?}");
        }
    }

    #[test]
    fn whoever_has_it_is_not_sent_it_again() {
        let look = |said: &[_], now| conditions(said).expect("they are conditions").look(now).map_err(|problem| problem.code());
        assert_eq!(look(&[], "3"), Ok(Look::Show));
        assert_eq!(look(&[(IF_NONE_MATCH, "\"3\"")], "3"), Ok(Look::Same));
        assert_eq!(look(&[(IF_NONE_MATCH, "W/\"3\",\"x\"")], "3"), Ok(Look::Same));
        assert_eq!(look(&[(IF_NONE_MATCH, "\"4\"")], "3"), Ok(Look::Show));
        assert_eq!(look(&[(IF_MATCH, "\"4\"")], "3"), Err("precondition_failed"));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for bad in ["3", "\"3", "\"3\" \"4\"", "W/3", "*, \"3\""] {
            assert_eq!(conditions(&[(IF_MATCH, bad)]), Err("precondition_malformed"), "{bad}");
        }
    }
}
