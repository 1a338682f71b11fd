//! What a source file names: every path in it, from `use` lines and from expressions, types and macros alike, with its line. Apart from
//! the rules, which know nothing of tokens.
//!
//! Paths are made absolute: `super::x` in `a/b.rs` is `crate::a::x`. Comments and texts name nothing.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path, from its root on: `crate` for the crate of the file, else another crate or something local.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// From 1.
    pub(crate) line: usize,
    /// Its segments. A glob is `*`.
    pub(crate) path: Vec<String>,
    /// Whether a `use` gives it another name.
    pub(crate) renamed: bool,
}

/// Every path that `text` names. `module` is where the file stands in its crate: `["store", "redb"]`.
///
/// # Panics
/// If `text` is not Rust.
pub(crate) fn named(text: &str, module: &[&str]) -> Vec<Named> {
    let tokens: TokenStream = text.parse().expect("the compiler reads it, too");
    let mut reader = Reader { module: module.iter().map(ToString::to_string).collect(), found: Vec::new() };
    reader.read(&tokens.into_iter().collect::<Vec<_>>());
    reader.found
}

/// Whether paths of one segment count: in a `use` they name a crate or a module, elsewhere a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Use,
    Code,
}

struct Reader {
    module: Vec<String>,
    found: Vec<Named>,
}

impl Reader {
    fn read(&mut self, mut tokens: &[TokenTree]) {
        while let Some((first, rest)) = tokens.split_first() {
            tokens = match (first, rest) {
                (TokenTree::Ident(word), [TokenTree::Ident(name), TokenTree::Group(body), rest @ ..]) if word == "mod" => {
                    self.module.push(name.to_string());
                    self.read(&body.stream().into_iter().collect::<Vec<_>>());
                    self.module.pop();
                    rest
                }
                (TokenTree::Ident(word), [TokenTree::Ident(krate), rest @ ..]) if word == "extern" && krate == "crate" => {
                    self.path(rest, &[], Place::Use)
                }
                (TokenTree::Ident(word), _) if word == "use" => self.path(rest, &[], Place::Use),
                (TokenTree::Ident(_), _) => self.path(tokens, &[], Place::Code),
                (TokenTree::Group(group), _) => {
                    self.read(&group.stream().into_iter().collect::<Vec<_>>());
                    rest
                }
                (TokenTree::Punct(_) | TokenTree::Literal(_), _) => rest,
            };
        }
    }

    /// Reads a path, or a tree of them, that goes on from `prefix`; gives what stands behind it.
    fn path<'t>(&mut self, mut tokens: &'t [TokenTree], prefix: &[String], place: Place) -> &'t [TokenTree] {
        let mut path = prefix.to_vec();
        let mut line = None;
        while let Some((first, rest)) = tokens.split_first() {
            match first {
                TokenTree::Ident(word) => {
                    line.get_or_insert(word.span().start().line);
                    path.push(word.to_string());
                }
                TokenTree::Punct(star) if star.as_char() == '*' && place == Place::Use => {
                    line.get_or_insert(star.span().start().line);
                    path.push("*".to_owned());
                }
                TokenTree::Group(tree) if tree.delimiter() == Delimiter::Brace && place == Place::Use => {
                    let tokens: Vec<_> = tree.stream().into_iter().collect();
                    for part in tokens.split(|token| is(token, ',')).filter(|part| !part.is_empty()) {
                        self.path(part, &path, Place::Use);
                    }
                    return rest;
                }
                // `::` before the root of a path, which says that it is another crate.
                TokenTree::Punct(_) if path.is_empty() && is_separator(tokens) => {
                    tokens = &tokens[2..];
                    continue;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) | TokenTree::Group(_) => return rest,
            }
            tokens = match rest {
                separated if is_separator(separated) && !is_turbofish(separated) => &separated[2..],
                _ => {
                    self.add(&path, line, place, rest);
                    return rest;
                }
            };
        }
        tokens
    }

    fn add(&mut self, path: &[String], line: Option<usize>, place: Place, rest: &[TokenTree]) {
        let renamed = place == Place::Use && matches!(rest.first(), Some(TokenTree::Ident(word)) if word == "as");
        if place == Place::Use || path.len() > 1 {
            self.found.push(Named { line: line.expect("a path has a token"), path: self.absolute(path), renamed });
        }
    }

    fn absolute(&self, path: &[String]) -> Vec<String> {
        let mut at: Option<Vec<String>> = None;
        let mut rest = path;
        while let Some((first, behind)) = rest.split_first() {
            match (first.as_str(), &mut at) {
                ("crate", None) => at = Some(Vec::new()),
                ("self", None) => at = Some(self.module.clone()),
                ("self", Some(_)) => {}
                ("super", None) => at = Some(self.module[..self.module.len().saturating_sub(1)].to_vec()),
                ("super", Some(here)) => drop(here.pop()),
                _ => break,
            }
            rest = behind;
        }
        // `use a::b::{self}` names `a::b`.
        let rest = if rest.len() > 1 && rest.last().is_some_and(|last| last == "self") { &rest[..rest.len() - 1] } else { rest };
        let root = at.map(|module| std::iter::once("crate".to_owned()).chain(module));
        root.into_iter().flatten().chain(rest.iter().cloned()).collect()
    }
}

fn is(token: &TokenTree, punctuation: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == punctuation)
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is(first, ':') && is(second, ':'))
}

/// `Vec::<u8>`: the path ends before it, for what it names is read on its own.
fn is_turbofish(tokens: &[TokenTree]) -> bool {
    tokens.get(2).is_some_and(|token| is(token, '<'))
}

#[test]
fn every_way_of_writing_a_path_is_read() {
    let check = |text: &str, paths: &[&str]| {
        let found: Vec<_> = named(text, &["store", "redb"]).into_iter().map(|named| named.path.join("::")).collect();
        assert_eq!(found, paths, "{text}");
    };
    check("use crate::a::B;", &["crate::a::B"]);
    check("pub(crate) use {crate::a, b::{self, c::*}};", &["crate::a", "b", "b::c::*"]);
    check("use super::rows::{\n    A,\n    b::C as D,\n};", &["crate::store::rows::A", "crate::store::rows::b::C"]);
    check("use super::super::clock; use self::x::Y;", &["crate::clock", "crate::store::redb::x::Y"]);
    check("mod tests { use super::*; use super::super::A; }", &["crate::store::redb::*", "crate::store::A"]);
    check("extern crate tokio; use ::bytes as b;", &["tokio", "bytes"]);
    check("fn f(x: crate::a::T) -> Vec<b::U> { g(&c::d::<e::V>(x)) }", &["crate::a::T", "b::U", "c::d", "e::V"]);
    check("println!(\"{}\", crate::a::f());", &["crate::a::f"]);
    check("// use crate::a::B;\n/// crate::c::D\nconst X: &str = \"crate::e::F\";", &[]);
    check("pub(in crate::store) fn f() {}", &["crate::store"]);
}

#[test]
fn a_path_has_the_line_where_its_own_part_stands() {
    let lines: Vec<_> = named("\nuse crate::{\n    a::B,\n    c::D,\n};\n", &[]).iter().map(|named| named.line).collect();
    assert_eq!(lines, [3, 4]);
}
