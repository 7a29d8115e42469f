//! The house keeps its layers: imports point down only.

mod scan;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use scan::Source;

const ADAPTERS: &[&str] = &["github", "ledger", "store", "render", "execute"];
/// The longest source file.
const MAX_LINES: usize = 600;

/// What a room may name besides itself.
fn below(room: &str) -> &'static [&'static str] {
    match room {
        "domain" | "sandbox" => &[],
        "github" | "ledger" | "store" | "render" | "execute" | "settings" => &["domain"],
        "service" => &[
            "domain", "settings", "github", "ledger", "store", "render", "execute",
        ],
        "cli" => &[
            "domain", "settings", "github", "ledger", "store", "render", "execute", "service", "sandbox",
        ],
        "main" | "lib" => &["cli"],
        _ => &[],
    }
}

/// What the pure core never names: IO, clocks, async, randomness.
const IMPURE: &[&str] = &[
    "tokio",
    "octocrab",
    "git2",
    "axum",
    "sqlx",
    "reqwest",
    "rand",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "std::time::SystemTime",
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "getrandom",
];

/// Values of the same modules that do nothing.
const PURE: &[&str] = &["std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"];

/// Crates that may be named in some places only.
const KEPT: &[(&str, &[&str])] = &[
    ("cel", &["domain/checks", "domain/policy"]),
    ("regorus", &["domain/checks", "domain/policy"]),
    ("jsonschema", &["domain/checks", "domain/policy"]),
    ("serde_yaml", &["domain/source"]),
    ("sqlx", &["store"]),
    ("serde_saphyr", &["domain/source"]),
];

/// Everything that is wrong with the layers of some files, given by their paths from `src/`.
fn findings(files: &[(String, String)]) -> Vec<String> {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source::read(path, text))
        .collect();
    let tests: Vec<Vec<String>> = sources.iter().flat_map(Source::test_modules).collect();
    let is_test = |source: &Source| tests.iter().any(|test| source.module.starts_with(test));
    let mut found = Vec::new();
    let mut uses: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let modules: BTreeSet<&str> = sources
        .iter()
        .filter(|source| source.module[0] == "domain")
        .filter_map(|source| source.module.get(1))
        .map(String::as_str)
        .collect();
    for source in &sources {
        let path = &source.path;
        if source.lines > MAX_LINES && !is_test(source) {
            found.push(format!(
                "{path} has {} lines; split it by concept, {MAX_LINES} at most",
                source.lines
            ));
        }
        if is_test(source) {
            continue;
        }
        let room = source.module[0].as_str();
        let mut adapters = BTreeSet::new();
        for named in source.paths() {
            let text = named.join("::");
            if named[0] == "crate" || named[0] == "countersign" {
                let Some(other) = named.get(1).filter(|other| is_room(other)) else {
                    continue;
                };
                if other != room && !below(room).contains(&other.as_str()) {
                    found.push(format!("{path} names {text}: {room} may not use {other}"));
                }
                adapters.extend(ADAPTERS.iter().filter(|adapter| *adapter == other));
                if let (Some(from), Some(to)) = (source.module.get(1), named.get(2))
                    && room == "domain"
                    && from != to
                    && modules.contains(to.as_str())
                {
                    uses.entry(from).or_default().insert(to.clone());
                }
                continue;
            }
            let names = |what: &&&str| text == **what || text.starts_with(&format!("{what}::"));
            let pure = PURE.iter().any(|what| names(&what));
            if let Some(impure) = IMPURE.iter().find(names).filter(|_| room == "domain" && !pure) {
                found.push(format!("{path} names {text}: domain knows no {impure}"));
            }
            for (kept, places) in KEPT {
                if named[0] == *kept && !places.iter().any(|place| path.starts_with(place)) {
                    found.push(format!(
                        "{path} names {text}: {kept} stays in {}",
                        places.join(" and ")
                    ));
                }
            }
        }
        let turn = path.starts_with("service/turn.rs") || path.starts_with("service/turn/");
        if room == "service" && adapters.len() > 1 && !turn {
            let adapters: Vec<&str> = adapters.into_iter().copied().collect();
            found.push(format!(
                "{path} names {}; only service/turn names more than one",
                adapters.join(" and ")
            ));
        }
    }
    if let Some(cycle) = cycle(&uses) {
        found.push(format!(
            "modules of domain use each other in a circle: {}",
            cycle.join(" -> ")
        ));
    }
    found
}

fn is_room(name: &str) -> bool {
    ADAPTERS.contains(&name) || ["domain", "service", "cli", "sandbox", "settings"].contains(&name)
}

/// One circle, from a module back to itself.
fn cycle<'a>(uses: &'a BTreeMap<&str, BTreeSet<String>>) -> Option<Vec<&'a str>> {
    fn walk<'a>(
        at: &'a str,
        uses: &'a BTreeMap<&str, BTreeSet<String>>,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(from) = way.iter().position(|seen| *seen == at) {
            let mut circle = way[from..].to_vec();
            circle.push(at);
            return Some(circle);
        }
        if !done.insert(at) {
            return None;
        }
        way.push(at);
        let found = uses
            .get(at)
            .into_iter()
            .flatten()
            .find_map(|next| walk(next, uses, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    uses.keys()
        .find_map(|module| walk(module, uses, &mut Vec::new(), &mut done))
}

/// Words of the place where a file was written, which say nothing to its readers. Written in parts, so that this file
/// does not hold them.
const STRAY: &[&str] = &[
    concat!("/tmp", "/wt"),
    concat!("/work", "/"),
    concat!("/root", "/"),
    concat!("shared", "/design"),
    concat!("this ses", "sion"),
    concat!("previous ses", "sion"),
    concat!("next ses", "sion"),
    concat!("system pro", "mpt"),
    concat!("language model, ", "i "),
    concat!("co-authored-by: cl", "aude"),
    concat!("generated with [cl", "aude"),
    concat!("cl", "aude code"),
    concat!("cl", "aude.md"),
];

fn stray(path: &str, text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let holds = STRAY.iter().filter(|word| lower.contains(**word));
    holds.map(|word| format!("{path} holds `{word}`")).collect()
}

fn files(folder: &Path, prefix: &str, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            if !matches!(
                name.as_str(),
                "target" | ".git" | "node_modules" | ".cargo" | "corpus" | "artifacts"
            ) {
                files(&entry.path(), &format!("{path}/"), found);
            }
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push((path, text));
        }
    }
}

#[test]
fn the_house_keeps_its_layers() {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut all);
    all.retain(|(path, _)| path.ends_with(".rs"));
    assert!(all.len() > 50, "the sources were not found");
    let found = findings(&all);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_file_tells_where_it_was_written() {
    let mut all = Vec::new();
    files(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut all);
    all.retain(|(path, _)| path != "Cargo.lock" && path != ".git");
    let found: Vec<String> = all.iter().flat_map(|(path, text)| stray(path, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn one(path: &str, text: &str) -> Vec<String> {
    findings(&[(path.into(), text.into())])
}

#[test]
fn arrows_that_point_up_or_across_are_found() {
    for (path, text) in [
        ("domain/gate.rs", "use crate::ledger::Writer;"),
        ("domain/gate.rs", "fn f() { crate::service::turn::run() }"),
        (
            "domain/policy/tiers.rs",
            "use super::super::super::github::client;",
        ),
        (
            "domain/gate.rs",
            "use crate::{domain::ids, store::{inbox, outbox}};",
        ),
        ("github/client.rs", "use crate::ledger::Writer;"),
        ("render/mod.rs", "use super::execute::run;"),
        ("ledger/writer.rs", "pub(crate) use crate::cli as c;"),
        ("service/worker.rs", "use crate::sandbox::State;"),
        ("sandbox/state.rs", "use crate::domain::ids::Sha;"),
        ("settings.rs", "use crate::github::Client;"),
        ("store/inbox.rs", "use crate::settings::Settings;"),
    ] {
        assert!(!one(path, text).is_empty(), "{path}: {text}");
    }
    for (path, text) in [
        ("cli/demo.rs", "use crate::{sandbox, service, domain::ids::Sha};"),
        ("service/turn.rs", "use crate::{github::Client, ledger::Writer};"),
        (
            "service/turn/merge.rs",
            "use crate::{github::Client, ledger::Writer};",
        ),
        (
            "github/client.rs",
            "use super::pages; use crate::domain::ids::Sha;",
        ),
        (
            "domain/gate.rs",
            "// use crate::ledger::Writer;\n/* crate::ledger::x /* y */ */\nconst A: &str = \"crate::ledger::Writer\";",
        ),
        (
            "domain/gate.rs",
            "const A: &str = r#\"\"crate::ledger::Writer\"#; const B: char = '\"'; fn f<'a>(x: &'a str) {}",
        ),
        (
            "domain/gate.rs",
            "#[cfg(test)]\nmod tests { use crate::ledger::Writer; fn f() { if true {} } }",
        ),
        (
            "domain/gate.rs",
            "fn f(ledger: u8) { x.tokio(); crate::domain::ids::f(); }",
        ),
    ] {
        assert_eq!(one(path, text), [""; 0], "{path}: {text}");
    }
}

#[test]
fn what_follows_a_test_module_is_still_read() {
    let text = "#[cfg(test)] mod tests { fn f() {} }\nuse crate::ledger::Writer;";
    assert_eq!(one("domain/gate.rs", text).len(), 1);
}

#[test]
fn files_of_test_modules_may_name_what_they_need() {
    let parent = (
        "domain/gate.rs".into(),
        "#[cfg(test)]\n#[allow(clippy::panic, reason = \"x\")]\npub(crate) mod tests;".into(),
    );
    let test = (
        "domain/gate/tests.rs".into(),
        "use std::fs; use crate::ledger::Writer;".into(),
    );
    assert_eq!(findings(&[parent, test.clone()]), [""; 0]);
    let parent = ("domain/gate.rs".into(), "mod tests;".into());
    assert_eq!(findings(&[parent, test]).len(), 2);
}

#[test]
fn an_impure_core_is_found() {
    for text in [
        "use tokio::sync::mpsc;",
        "use std::fs;",
        "use std::{collections::BTreeMap, fs::File};",
        "use std::time::{Duration, SystemTime};",
        "fn f() { std::thread::spawn(g); }",
        "fn f() { let x = jiff::Timestamp::now(); }",
        "use jiff::Timestamp; fn f() { Timestamp::now(); }",
        "fn f() { rand::random() }",
        "use reqwest as http;",
        "use git2;",
    ] {
        assert_eq!(one("domain/gate.rs", text).len(), 1, "{text}");
    }
    assert_eq!(
        one(
            "domain/gate.rs",
            "use std::{net::IpAddr, time::Duration}; use jiff::Timestamp;"
        ),
        [""; 0]
    );
    assert_eq!(
        one("ledger/writer.rs", "use std::fs; use git2::Repository;"),
        [""; 0]
    );
}

#[test]
fn crates_that_leave_their_place_are_found() {
    assert_eq!(one("domain/receive.rs", "use jsonschema::Validator;").len(), 1);
    assert_eq!(
        one("cli/init.rs", "fn f() { serde_yaml::to_string(&x) }").len(),
        1
    );
    assert_eq!(
        one("domain/policy/schema.rs", "use jsonschema::Validator;"),
        [""; 0]
    );
    assert_eq!(one("domain/source/tree.rs", "use serde_saphyr::Error;"), [""; 0]);
}

#[test]
fn a_service_file_with_two_adapters_is_found() {
    assert_eq!(
        one("service/sweep.rs", "use crate::{github::Client, ledger::Writer};").len(),
        1
    );
    assert_eq!(
        one("service/sweep.rs", "use crate::github::{Client, Error};"),
        [""; 0]
    );
}

#[test]
fn circles_in_the_core_are_found_and_told() {
    let files = [
        ("a", "use super::b::B;"),
        ("b", "use crate::domain::c::C;"),
        ("c", "fn f() { super::a::f() }"),
    ]
    .map(|(name, text)| (format!("domain/{name}.rs"), text.to_owned()));
    let found = findings(&files);
    assert_eq!(
        found,
        ["modules of domain use each other in a circle: a -> b -> c -> a"]
    );
    assert_eq!(findings(&files[..2]), [""; 0]);
}

#[test]
fn long_files_and_stray_words_are_found() {
    assert_eq!(one("cli/x.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
    assert_eq!(stray("x", &format!("see {}", STRAY[0])).len(), 1);
    assert_eq!(
        stray(
            "x",
            "sign-in sessions live in the store; the prompt is a salted digest"
        ),
        [""; 0]
    );
}
