//! All checks on an ordinary proposal of 64 KiB and on hostile ones of 256 KiB, against reading the same text as plain
//! JSON and walking through it, in the same run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected must stop, and says what it found"
)]

mod measure;

use std::{hint::black_box, time::Duration};

use countersign::domain::{
    assess::assess,
    matter::Matter,
    policy::{Policy, compile},
    proposal::{Item, Provenance},
    source::SourceFile,
    totals::Totals,
};
use measure::best;
use serde_json::{Map, Value, json};

const ROUNDS: u32 = 20;

const TEXT: &str =
    "known: [Acme Ltd, Globex Corporation, Umbrella]\nknown_domains: [acme.example, globex.example]\n";
const BRAND: &str = "\
forbidden:
  - { words: guaranteed returns }
  - { words: risk free }
required: [Acme Ltd]
links: [acme.example]
unsubscribe: { param: params.body, words: [unsubscribe] }
";
const OWN: &str = "\
summary: The subject is short
level: warn
expression: size(params.subject) < 100
message: the subject is long
remedy: shorten it
";
const MODULE: &str = "\
package main
import rego.v1
warn contains msg if {
    some item in input.items
    count(item.parameters.subject) > 100
    msg := \"the subject is long\"
}
";
/// What makes a scan start over and over.
const HOSTILE: &[&str] = &[
    "4",
    "4242 ",
    "1 ",
    "12-",
    "@",
    "a.a.a.",
    "a@b.c",
    "DE89 ",
    "DE89",
    "+1 ",
    "ghp_",
    "eyJ",
    "token=",
    "://",
    "http://a ",
    "//",
    "www.",
    "Acme ",
    "guaranteed ",
    "А ",
    "ａ",
    "\u{0301}",
    "xn--a.",
    "-----BEGIN ",
    "123-45-6789 ",
    "%40",
    "(",
];

fn policy() -> Policy {
    let read = |name: &str| {
        std::fs::read_to_string(format!("{}/tests/policies/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let mut files: Vec<SourceFile> = [
        "catalog.yaml",
        "tiers.yaml",
        "CODEOWNERS",
        "people.yaml",
        "agents.yaml",
    ]
    .into_iter()
    .map(|name| SourceFile::new(name, read(name)))
    .collect();
    for (name, text) in [
        ("text.yaml", TEXT),
        ("brand.yaml", BRAND),
        ("own.yaml", OWN),
        ("module.rego", MODULE),
    ] {
        files.push(SourceFile::new(format!("checks/{name}"), text));
    }
    let catalog = files.first_mut().unwrap();
    let at = catalog.text.find("  campaigns.send:").unwrap();
    let (before, after) = catalog.text.split_at(at);
    let after = after.replacen(
        "checks: [text]",
        "checks: [text, pii, secrets, brand, own, module]",
        1,
    );
    catalog.text = format!("{before}{after}");
    compile(&files).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// A letter of so many bytes.
fn letter(bytes: usize) -> String {
    let paragraph = "Dear customer, your order 4711-2026 of 3 chairs ships on 2026-11-24 from Hall 7. See \
        https://acme.example/orders/4711 or write to service@acme.example; Müller & Söhne deliver between 8:00 and 12:30. \
        The total is 1,249.00 EUR, payable within 30 days. ";
    format!(
        "{}Acme Ltd, unsubscribe",
        paragraph.repeat(bytes / paragraph.len())
    )
}

fn took(policy: &Policy, body: &str) -> Duration {
    let items = [Item {
        id: "1".parse().unwrap(),
        parameters: json!({"segment_id": "spring", "subject": "Hello", "body": body, "from_name": "Acme"}),
        observed_digest: None,
    }];
    let matter = Matter {
        operation: &"campaigns.send".parse().unwrap(),
        agent: &"campaign-agent".parse().unwrap(),
        sponsor: &"erin".parse().unwrap(),
        target: None,
        items: &items,
        observed: &[],
        dry_runs: &[],
        claimed: &Map::new(),
        justification: "as planned",
        rollback_plan: None,
        exceptions: &[],
        provenance: &Provenance::default(),
        corrected: false,
        rolls_back: false,
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
    };
    best(ROUNDS, || {
        black_box(assess(&matter, &Totals::default(), policy));
    })
}

/// Reading the text as JSON and looking at each of its characters.
fn walked(body: &str) -> Duration {
    fn walk(value: &Value) -> usize {
        match value {
            Value::String(text) => text.chars().filter(|c| c.is_alphanumeric()).count(),
            Value::Array(items) => items.iter().map(walk).sum(),
            Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + walk(value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    let text = json!({ "body": body }).to_string();
    best(ROUNDS, || {
        black_box(walk(&serde_json::from_str(&text).unwrap()));
    })
}

fn main() {
    let policy = policy();
    let print = |what: &str, body: &str| {
        let (checks, plain) = (took(&policy, body), walked(body));
        println!(
            "{what:<28} {:>8.2} ms, {:>6.1} times reading and walking it",
            checks.as_secs_f64() * 1e3,
            checks.as_secs_f64() / plain.as_secs_f64()
        );
    };
    print("ordinary, 64 KiB:", &letter(64 << 10));
    print("ordinary, 256 KiB:", &letter(256 << 10));
    let worst = HOSTILE
        .iter()
        .map(|unit| unit.repeat((256 << 10) / unit.len()))
        .max_by_key(|body| took(&policy, body))
        .unwrap_or_default();
    let start: String = worst.chars().take(12).collect();
    print(&format!("hostile, 256 KiB of {start:?}:"), &worst);
}
