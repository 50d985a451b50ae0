//! Are the rooms what the module map says? `api` and `decide` are free of clients, clocks, waiting and IO, and the rooms
//! depend on each other one way.
//!
//! The sources are read as text: what matters is what a reader sees named, and no dependency can hide behind a feature.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms, and the rooms that each may name besides itself: api ← decide ← hris, targets ← controllers ← runtime. What the
/// command line shows (cli) needs the pure ones, and the targets that it tries out; nothing but main uses it. The way out (egress) needs none.
const ROOMS: [(&str, &[&str]); 8] = [
    ("api", &[]),
    ("decide", &["api"]),
    ("egress", &[]),
    ("hris", &["api", "decide", "egress"]),
    ("targets", &["api", "decide", "egress"]),
    ("controllers", &["api", "decide", "egress", "hris", "targets"]),
    ("cli", &["api", "decide", "egress", "targets"]),
    (
        "runtime",
        &["api", "decide", "egress", "hris", "targets", "controllers"],
    ),
];

/// What the pure rooms may not name, and what that would bring in.
const IMPURE: [(&str, &str); 31] = [
    ("async fn", "waiting"),
    ("async move", "waiting"),
    ("async {", "waiting"),
    (".await", "waiting"),
    ("async_trait", "waiting"),
    ("futures", "waiting"),
    ("tokio", "waiting"),
    ("std::thread", "waiting"),
    ("backon", "waiting"),
    ("kube::Client", "a client"),
    ("kube::client", "a client"),
    ("kube::Api", "a client"),
    ("kube::api::Api", "a client"),
    ("kube::Config", "a client"),
    ("kube::runtime", "a client"),
    ("reqwest", "a client"),
    ("hyper", "a client"),
    ("axum", "a server"),
    ("Timestamp::now", "a clock"),
    ("Zoned::now", "a clock"),
    ("Instant::now", "a clock"),
    ("SystemTime", "a clock"),
    // The host's own zone is as hidden an input as its clock.
    ("TimeZone::system", "the host's zone"),
    // By this zones come from files of the host; `TimeZoneDatabase::bundled` has those compiled in.
    ("TimeZone::get", "the host's zone files"),
    ("rand::", "chance"),
    ("RandomState", "chance"),
    ("std::env", "IO"),
    ("std::fs", "IO"),
    ("std::net", "IO"),
    ("std::process", "IO"),
    ("std::io", "IO"),
];

/// A name in the code of a file: a path of a `use`, spelled out, or a line of other code.
#[derive(Debug, PartialEq)]
struct Named {
    line: usize,
    text: String,
    /// Whether it is the whole path of a `use`.
    import: bool,
}

/// What makes connections. Only egress may name these: whatever calls an address out of a resource goes through it.
const CONNECTING: [&str; 13] = [
    "reqwest::Client",
    "reqwest::ClientBuilder",
    "reqwest::RequestBuilder",
    "reqwest::blocking",
    "reqwest::get",
    "reqwest::dns",
    "TcpStream",
    "TcpSocket",
    "UdpSocket",
    "lookup_host",
    "ToSocketAddrs",
    "hyper",
    "hyper_util",
];

/// All that is named in a source. Comments do not count; of a `use` each path counts, spelled out.
fn named(source: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in source.lines().enumerate() {
        let code = without_comment(line).trim();
        let statement = match open.take() {
            Some((first, so_far)) => Some((first, format!("{so_far} {code}"))),
            None => after_use(code).map(|rest| (number + 1, rest.to_owned())),
        };
        match statement {
            None if code.is_empty() => {}
            None => found.push(Named {
                line: number + 1,
                text: code.to_owned(),
                import: false,
            }),
            Some((first, text)) => match text.split_once(';') {
                None => open = Some((first, text)),
                Some((tree, _)) => {
                    let mut paths = Vec::new();
                    spell_out("", tree, &mut paths);
                    found.extend(paths.into_iter().map(|text| Named {
                        line: first,
                        text,
                        import: true,
                    }));
                }
            },
        }
    }
    found
}

fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line[from..].find("//").map(|at| at + from) {
        // `https://` in a string is no comment.
        if line[..at].chars().next_back().is_none_or(char::is_whitespace) {
            return &line[..at];
        }
        from = at + 2;
    }
    line
}

fn after_use(code: &str) -> Option<&str> {
    ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
        .iter()
        .find_map(|start| code.strip_prefix(start))
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn spell_out(before: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(brace) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        if !path.is_empty() {
            paths.push(format!("{before}{path}"));
        }
        return;
    };
    let before = format!("{before}{}", &tree[..brace]);
    let inner = tree[brace + 1..].trim_end().trim_end_matches('}');
    // The closing braces of inner groups went with the outer one's: depth alone tells the parts.
    let mut depth = 0_usize;
    let mut part = String::new();
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                spell_out(&before, &std::mem::take(&mut part), paths);
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    spell_out(&before, &part, paths);
}

/// Whether `word` is named in `text`, not as the tail of a longer name.
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let starts = |c: char| c.is_alphanumeric() || c == '_';
        let own_start = !word.starts_with(char::is_alphanumeric) || !text[..at].ends_with(starts);
        let own_end = !word.ends_with(char::is_alphanumeric) || !text[at + word.len()..].starts_with(starts);
        own_start && own_end
    })
}

/// The rooms that a name reaches, where it leaves the room of `module`.
fn rooms_named(named: &Named, module: &[String]) -> Vec<&'static str> {
    let text = &named.text;
    let mut reached: Vec<&'static str> = ROOMS
        .iter()
        .map(|(room, _)| *room)
        .filter(|room| names(text, &format!("crate::{room}")) || names(text, &format!("rollcall::{room}")))
        .collect();
    if named.import {
        let mut at = module.len();
        let mut path: &str = text;
        while let Some(rest) = path.strip_prefix("super::") {
            at = at.saturating_sub(1);
            path = rest;
        }
        // Out of the room, at the root of the crate.
        if path.len() < text.len() && at == 0 {
            let first = path.split("::").next().unwrap_or_default();
            reached.extend(ROOMS.iter().map(|(room, _)| *room).filter(|room| *room == first));
        }
    }
    reached
}

fn impurities(source: &str) -> Vec<(usize, &'static str, &'static str)> {
    named(source)
        .iter()
        .flat_map(|named| {
            let hits = IMPURE.iter().filter(|(word, _)| names(&named.text, word));
            hits.map(|(word, what)| (named.line, *word, *what)).collect::<Vec<_>>()
        })
        .collect()
}

fn trespasses(source: &str, module: &[String]) -> Vec<(usize, &'static str)> {
    let Some((own, allowed)) = ROOMS
        .iter()
        .find(|(room, _)| module.first().is_some_and(|own| own == room))
    else {
        return Vec::new();
    };
    named(source)
        .iter()
        .flat_map(|named| {
            let reached = rooms_named(named, module).into_iter();
            let wrong = reached.filter(|room| room != own && !allowed.contains(room));
            wrong.map(|room| (named.line, room)).collect::<Vec<_>>()
        })
        .collect()
}

/// Every source of a room, with its path in the crate.
fn sources(room: &str) -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![top.join("src").join(room)];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(top).unwrap().to_owned(), source));
            }
        }
    }
    found.sort();
    assert!(
        !found.is_empty(),
        "src/{room} has no source: the rooms moved, and this test with them"
    );
    found
}

/// `src/decide/selector/tri.rs` is `decide::selector::tri`.
fn module_of(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> = path
        .with_extension("")
        .iter()
        .skip(1)
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Decisions are pure: `now` is an argument, and nothing is asked or awaited.
#[test]
fn api_and_decide_name_no_client_no_clock_and_no_waiting() {
    let mut faults = Vec::new();
    for (path, source) in ["api", "decide"].into_iter().flat_map(sources) {
        for (line, word, what) in impurities(&source) {
            faults.push(format!(
                "{}:{line}: `{word}` brings {what} into a pure room: take what it gives as an argument",
                path.display()
            ));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// api ← decide ← hris, targets ← controllers ← runtime.
#[test]
fn rooms_depend_on_each_other_one_way() {
    let mut faults = Vec::new();
    for (room, _) in ROOMS {
        for (path, source) in sources(room) {
            for (line, other) in trespasses(&source, &module_of(&path)) {
                faults.push(format!(
                    "{}:{line}: {room} names {other}, and may name only what is below it (api, decide, then hris and \
                     targets, controllers, runtime): move what is needed down, or hand it in",
                    path.display()
                ));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Hosts out of resources are called through egress alone, which judges them. What kube does is kube's.
#[test]
fn only_egress_makes_connections() {
    let connecting = |source: &str| {
        let named = named(source).into_iter();
        let hits = named.filter_map(|named| {
            CONNECTING
                .iter()
                .find(|word| names(&named.text, word))
                .map(|w| (named.line, *w))
        });
        hits.collect::<Vec<_>>()
    };
    let mut faults = Vec::new();
    for (path, source) in ROOMS.iter().flat_map(|(room, _)| sources(room)) {
        if path.starts_with("src/egress") {
            continue;
        }
        for (line, word) in connecting(&source) {
            faults.push(format!(
                "{}:{line}: `{word}` makes connections to hosts that nobody judged: use egress::EgressClient",
                path.display()
            ));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    let sample = "use reqwest::{Method, Client};\nlet x = tokio::net::TcpStream::connect(a);\nuse kube::Client;\n";
    assert_eq!(connecting(sample), [(1, "reqwest::Client"), (2, "TcpStream")]);
    // Its own sources are full of them, so the words are the right ones.
    assert!(
        sources("egress")
            .iter()
            .any(|(_, source)| !connecting(source).is_empty())
    );
}

/// The tests of rooms see what they are there to see.
#[test]
fn the_scan_finds_what_is_hidden_in_groups_and_overlooks_comments() {
    let sample = r#"
//! tokio::spawn in a comment
use kube::{
    Resource, ResourceExt,
    api::{ListParams, Api}, // and .await here
};
use kube::{Client as Other};
const URL: &str = "https://tokio.rs"; let t = jiff::Timestamp::now();
fn tokioish() {}
use kube::api::ApiResource;
"#;
    let found: Vec<(usize, &str)> = impurities(sample)
        .into_iter()
        .map(|(line, word, _)| (line, word))
        .collect();
    let expected = [
        (3, "kube::api::Api"),
        (7, "kube::Client"),
        (8, "tokio"),
        (8, "Timestamp::now"),
    ];
    assert_eq!(found, expected);

    let module = ["decide".to_owned(), "plan".to_owned()];
    let sample = "use crate::{api::Employee, controllers::{self, releaser}};\nlet x = crate::runtime::clock();\n\
                  use super::super::hris::models;\nuse super::targets;\n// crate::hris\n";
    let found = trespasses(sample, &module);
    assert_eq!(
        found,
        [(1, "controllers"), (1, "controllers"), (2, "runtime"), (3, "hris")]
    );
    assert!(trespasses("use crate::controllers::x;", &["runtime".to_owned()]).is_empty());
    let mut paths = Vec::new();
    spell_out("", "a::{b, c::{d, e::{f}}, g::h}", &mut paths);
    assert_eq!(paths, ["a::b", "a::c::d", "a::c::e::f", "a::g::h"]);
}
