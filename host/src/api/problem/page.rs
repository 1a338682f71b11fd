//! What each code means, for people: `GET /errors`, `GET /errors/{code}` and `docs/errors.md`, all of the same table, so that the link in a
//! problem works on a host without the Internet.

use super::{CODES, Code, Problem, code};
use crate::api::asked::Path;
use crate::api::contract::{Answer, Operation, get};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;

const MARKDOWN: &str = "text/markdown; charset=utf-8";

const HEAD: &str = "# Errors
Over HTTP a mistake is `application/problem+json` (RFC 9457): `type` (where its code is explained, on this very host), `title`, `status`, `code`,
`detail` (what happened this time), `errors` where several things are wrong, `limit` and `retry_after` (seconds)
where one is reached or it helps to wait, and `request_id`, which the
host's log has, too. Codes never change their meaning, and each has one status. Written by the code: `GET /errors` gives the same page.
";

/// What can be asked here.
pub(in crate::api) fn operations() -> Vec<Operation> {
    let page = |says| Answer { status: 200, says, content: vec![("text/markdown", None)], headers: Vec::new() };
    vec![
        get("/errors", "listErrors", all).says("What every code means.").answer(page("The page `docs/errors.md`.")),
        get("/errors/{code}", "showError", one)
            .says("What a code means.")
            .answer(page("The section of the page that is about it.")),
    ]
}

async fn all() -> Response {
    ([(CONTENT_TYPE, MARKDOWN)], page()).into_response()
}

async fn one(Path([name]): Path<1>) -> Result<Response, Problem> {
    let code = code(&name).ok_or_else(Problem::not_found)?;
    Ok(([(CONTENT_TYPE, MARKDOWN)], section(code)).into_response())
}

/// All codes, by status.
fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut status = 0;
    for code in CODES {
        if code.status != status {
            status = code.status;
            let reason =
                axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
            write!(page, "\n## {status} {reason}\n").expect("a string takes all");
        }
        page.push('\n');
        page.push_str(&section(code));
    }
    page
}

fn section(Code { name, status, title, means, remedy }: &Code) -> String {
    format!("### {name}\n**{title}** (status {status}). {means} *What helps:* {remedy}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
        let now = page();
        if std::env::var_os("AMENDS_RENEW_GOLDEN").is_some_and(|set| set == "1") {
            std::fs::write(path, &now).expect("the page can be written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(kept, now, "docs/errors.md is of yesterday: AMENDS_RENEW_GOLDEN=1 cargo test -p amends --lib errors writes it");
    }
}
