//! Checks as authors set and write them, and as proposals meet them.

use serde_json::{Value, json};

use super::*;
use crate::domain::{
    assess::assess,
    checks::{Level, testing::with_items},
    policy::{CheckKind, action::Party},
    totals::Totals,
};

/// The starter set with files of checks, and with these checks on campaigns.
fn files(checks: &str, own: &[(&str, &str)]) -> Vec<SourceFile> {
    let mut files = with(
        "catalog.yaml",
        "    checks: [text]\n    # How the bot",
        &format!("    checks: [{checks}]\n    # How the bot"),
    );
    files.extend(own.iter().map(|(path, text)| SourceFile::new(*path, *text)));
    files
}

/// What campaigns with these parameters are answered with.
fn found(files: &[SourceFile], params: Vec<Value>) -> Vec<String> {
    let policy = policy(files);
    with_items(params, |matter| {
        let results = assess(matter, &Totals::default(), &policy).checks;
        let lines = results.iter().flat_map(|result| {
            result.problems.iter().map(move |problem| {
                format!(
                    "{} {:?} {} {}; {}",
                    result.check, problem.level, problem.at, problem.found, problem.remedy
                )
            })
        });
        lines.collect()
    })
}

fn wrong(checks: &str, path: &str, text: &str) -> String {
    shown(&compile(&files(checks, &[(path, text)])).expect_err("an error"))
}

fn campaign(body: &str) -> Value {
    json!({"segment_id": "spring", "subject": "Hello", "body": body, "from_name": "Acme"})
}

const OWN: &str = "\
summary: No campaign without an offer
level: deny
when: params.segment_id != \"staff\"
expression: params.body.contains(\"offer\")
message: the body has no offer
remedy: add the offer
exceptions: { approvers: [marketing, alice] }
";

#[test]
fn a_condition_of_ones_own_must_hold_of_every_item() {
    let files = files("text, offers", &[("checks/offers.yaml", OWN)]);
    assert_eq!(found(&files, vec![campaign("an offer")]), [""; 0]);
    let staff = json!({"segment_id": "staff", "subject": "Hello", "body": "x", "from_name": "Acme"});
    assert_eq!(
        found(&files, vec![campaign("an offer"), campaign("none"), staff]),
        ["offers Deny /items/2/parameters the body has no offer; add the offer"]
    );
    let compiled = policy(&files);
    let name = "offers".parse().unwrap();
    let check = compiled.checks().find(|check| *check.name() == name).unwrap();
    assert_eq!(
        (check.kind(), check.level(), check.summary()),
        (CheckKind::Cel, Level::Deny, "No campaign without an offer")
    );
    let approvers: Vec<String> = compiled
        .exception_approvers(&name)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(approvers, ["marketing", "alice"]);
    assert!(matches!(
        compiled.exception_approvers(&name),
        [Party::Team(_), Party::Person(_)]
    ));
    assert_eq!(compiled.exception_approvers(&"text".parse().unwrap()), []);
}

#[test]
fn i10_a_condition_without_an_answer_is_an_error() {
    let own = OWN.replace("params.body.contains(\"offer\")", "affected.count < 100");
    let files = files("offers", &[("checks/offers.yaml", own.as_str())]);
    let found = found(&files, vec![campaign("x")]);
    assert!(
        found[0].starts_with("offers Errored /items/1/parameters the condition has no answer"),
        "{found:?}"
    );
    with_items(vec![campaign("x")], |matter| {
        assert!(!assess(matter, &Totals::default(), &policy(&files)).checks_hold());
    });
}

#[test]
fn a_rego_module_runs_by_the_name_of_its_file() {
    let module = "\
# METADATA
# title: Nothing on Sundays
# custom:
#   exceptions: { approvers: [bob] }
package main
import rego.v1
deny contains {\"msg\": \"not on a Sunday\", \"remedy\": \"wait\"} if startswith(input.at, \"2026-11-22\")
";
    let files = files("sundays", &[("checks/sundays.rego", module)]);
    assert_eq!(
        found(&files, vec![campaign("x")]),
        ["sundays Deny  not on a Sunday; wait"]
    );
    let compiled = policy(&files);
    let check = compiled
        .checks()
        .find(|check| check.kind() == CheckKind::Rego)
        .unwrap();
    assert_eq!(
        (check.name().as_str(), check.summary(), check.level()),
        ("sundays", "Nothing on Sundays", Level::Deny)
    );
    assert_eq!(check.exception_approvers().len(), 1);
}

#[test]
fn built_in_checks_are_set_by_their_files() {
    let files = files(
        "pii, text, brand",
        &[
            (
                "checks/pii.yaml",
                "levels: { email: deny, phone: off }\nallow: [params.subject]\nfields: [from_name]\ncountries: [de]\nexceptions: { approvers: [finance] }\n",
            ),
            (
                "checks/text.yaml",
                "known: [Acme Ltd]\nknown_domains: [acme.example]\n",
            ),
            (
                "checks/brand.yaml",
                "level: warn\ntexts: [params.body]\nforbidden:\n  - { words: cheap, instead: affordable }\nlinks: [acme.example]\nunsubscribe: { param: params.body, words: [unsubscribe] }\nsenders: { params: [params.from_name], allow: [Acme] }\n",
            ),
        ],
    );
    let mut params = campaign(
        "Cheap things of Аcme Ltd, write to ann@example.com or +49 30 901820, see https://evil.example",
    );
    params["subject"] = json!("bob@example.com");
    assert_eq!(
        found(&files, vec![params]),
        [
            "pii Deny /items/1/parameters/body an e-mail address `a***@***.com`; leave it out, or send it in a parameter that the catalog marks `sensitive`",
            "pii Warn /items/1/parameters/from_name a field that holds personal data, with a value `***`; the action is declared to carry such data; see that it is needed, and that whoever reads it here may",
            "text Deny /items/1/parameters/body the name `Аcme Ltd` looks like the known `Acme Ltd` and is another; send the one that is known, or have the new one added to the known names first",
            "text Warn /items/1/parameters/body `Аcme` mixes scripts; one of its letters may pose as another; compare it with the name you know, or send it in one script",
            "brand Warn /items/1/parameters/body the wording `cheap`; say `affordable` instead",
            "brand Warn /items/1/parameters/body a link to `evil.example`; link only to `acme.example`",
            "brand Warn /items/1/parameters/body no line says how to unsubscribe; add one that says `unsubscribe`",
        ]
    );
    assert_eq!(
        policy(&files).exception_approvers(&"pii".parse().unwrap()).len(),
        1
    );
}

#[test]
fn what_an_action_declares_is_a_warning() {
    // Campaigns declare `pii`, payments `financial`.
    let campaigns = files("pii", &[]);
    let warned = found(&campaigns, vec![campaign("ann@example.com, 4242 4242 4242 4242")]);
    assert!(
        warned.len() == 2 && warned.iter().all(|line| line.starts_with("pii Warn")),
        "{warned:?}"
    );
    let undeclared = with("catalog.yaml", "data: [pii]", "data: [internal]");
    let undeclared: Vec<SourceFile> = undeclared
        .into_iter()
        .map(|file| {
            SourceFile::new(
                file.path.clone(),
                file.text.replace("checks: [text]", "checks: [pii]"),
            )
        })
        .collect();
    let denied = found(
        &undeclared,
        vec![campaign("ann@example.com, 4242 4242 4242 4242")],
    );
    assert!(
        denied.len() == 2 && denied.iter().all(|line| line.starts_with("pii Deny")),
        "{denied:?}"
    );
}

#[test]
fn i29_what_the_catalog_seals_is_not_looked_at() {
    let sealed: Vec<SourceFile> = files("pii, text, secrets", &[])
        .into_iter()
        .map(|file| {
            let text = file.text.replace(
                "    checks: [pii, text, secrets]\n",
                "    checks: [pii, text, secrets]\n    sensitive: [params.body]\n",
            );
            SourceFile::new(file.path, text)
        })
        .collect();
    assert_eq!(
        found(
            &sealed,
            vec![campaign("ann@example.com\u{202e} password=h4x0r-Tr0ub4dor3")]
        ),
        [""; 0]
    );
}

#[test]
fn consent_is_set_by_its_file() {
    let consent = "audience: /affected/sample\nconsents: /consents\npurpose: /purpose\nexpires: /until\nneeded: newsletter\n";
    let found = found(
        &files("consent", &[("checks/consent.yaml", consent)]),
        vec![campaign("x")],
    );
    assert_eq!(
        found,
        [
            "consent Errored /observed/1 nothing was observed, so nobody's consent is known; let `observe` read everybody who is addressed, with their consents, in the catalog"
        ]
    );
}

#[test]
fn every_built_in_check_is_listed() {
    let policy = policy(&starter());
    let names: Vec<&str> = policy.checks().map(|check| check.name().as_str()).collect();
    for name in ["brand", "consent", "pii", "secrets", "text"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_mistake_in_annotations_is_found_at_its_bytes() {
    let text = "# Gepr\u{fc}ft\r\n\r\n# METADATA\r\n# title: \u{fc}\r\n# custom: { exceptions: { approvers: [k\u{f6}nig] } }\r\npackage a\r\ndeny := true\r\n";
    let errors = compile(&files("a", &[("checks/a.rego", text)])).expect_err("an error");
    let (at, length) = errors[0].bytes().unwrap();
    assert_eq!(text.get(at..at + length), Some("k\u{f6}nig"), "{errors:?}");
}

#[test]
fn mistakes_in_checks_are_named_with_their_place() {
    insta::assert_snapshot!(wrong("offers", "checks/offers.yaml", &OWN.replace("params.body.", "params.bdy.")), @"[expression] checks/offers.yaml:4:19: unknown parameter `bdy`, for the action `campaigns.send`, which names this check; did you mean `body`?");
    insta::assert_snapshot!(wrong("offers", "checks/offers.yaml", &OWN.replace("level: deny", "level: dney")), @"[syntax] checks/offers.yaml:2:8: unknown value `dney`; did you mean `deny`?");
    insta::assert_snapshot!(wrong("offers", "checks/offers.yaml", &OWN.replace("message:", "mesage:")), @"[syntax] checks/offers.yaml:5:1: unknown field `mesage`; did you mean `message`?");
    insta::assert_snapshot!(wrong("offers", "checks/offers.yaml", &OWN.replace("[marketing, alice]", "[markting]")), @"[unknown-name] checks/offers.yaml:7:27: unknown team or person `markting`; did you mean `marketing`?");
    insta::assert_snapshot!(wrong("offers", "checks/offers.yaml", &OWN.replace("[marketing, alice]", "[]")), @"[gates] checks/offers.yaml:7:13: `approvers` is empty; name who may let a proposal pass, or leave `exceptions` out");
    insta::assert_snapshot!(wrong("offers", "checks/offer.yaml", OWN), @"[unknown-name] catalog.yaml:69:14: unknown check `offers`; did you mean `offer`?");
    insta::assert_snapshot!(wrong("text, consent", "checks/text.yaml", "known: [a]\n"), @"[missing-file] catalog.yaml:69:20: the check `consent` can't run without its settings; add `checks/consent.yaml`");
    insta::assert_snapshot!(wrong("text", "checks/text.yaml", "knwon: [a]\nknown_domains: [https://acme.example]\n"), @"[syntax] checks/text.yaml:1:1: unknown field `knwon`; did you mean `known`?");
    insta::assert_snapshot!(wrong("text", "checks/text.yaml", "known_domains: [https://acme.example]\n"), @"[syntax] checks/text.yaml:1:17: `https://acme.example` is not a domain; write it as in `acme.example`, without `*`, scheme or path");
    insta::assert_snapshot!(wrong("pii", "checks/pii.yaml", "allow: [params.subjct]\ncountries: [xx]\n"), @r#"
        [unknown-name] checks/pii.yaml:1:9: unknown parameter of any action `subjct`; did you mean `subject`?
        [unknown-name] checks/pii.yaml:2:13: unknown country (national ids are known of `at`, `be`, `br`, `ca`, `ch`, `cn`, `de`, `dk`, `es`, `fi`, `fr`, `gb`, `ie`, `in`, `it`, `nl`, `no`, `pl`, `pt`, `se`, `us`) `xx`
        "#);
    insta::assert_snapshot!(wrong("pii", "checks/pii.yaml", "levels: { emial: deny }\n"), @"[syntax] checks/pii.yaml:1:11: unknown value `emial`; did you mean `email`?");
    insta::assert_snapshot!(wrong("secrets", "checks/secrets.yaml", "level: warn\n"), @"[unknown-file] checks/secrets.yaml:1:1: there is nothing to set for `secrets`; remove the file, or give your own check another name");
    insta::assert_snapshot!(wrong("consent", "checks/consent.yaml", "audience: /claimed/x\nconsents: /c\npurpose: /p\nneeded: a\n"), @"[syntax] checks/consent.yaml:1:11: `/claimed/x` is no place in what the bot observes; write `/before/...`, `/after/...` or `/affected/sample`");
    insta::assert_snapshot!(wrong("brand", "checks/brand.yaml", "level: warn\n"), @"[syntax] checks/brand.yaml:1:1: nothing is set, so the check would find nothing; set `forbidden`, `required`, `links`, `unsubscribe` or `senders`");
    insta::assert_snapshot!(wrong("a", "checks/a.rego", "package a\nimport rego.v1\ndeny contains msg if { msg := time.now_ns() }\n"), @"[rego] checks/a.rego:3:31: `time.now_ns` can't be used in a check; `input.at` is when it was asked");
    insta::assert_snapshot!(wrong("a", "checks/a.rego", "# METADATA\n# title: [\npackage a\ndeny := true\n"), @"[rego] checks/a.rego:2:10: unclosed bracket '['");
    insta::assert_snapshot!(wrong("text", "checks/text.rego", "package a\ndeny := true\n"), @"[duplicate] checks/text.rego: there is another check `text`; give this one another name");
    insta::assert_snapshot!(wrong("text", "checks/Bad Name.yaml", "a: b\n"), @"[unknown-file] checks/Bad Name.yaml: the file's name is not one of a check: `Bad Name` is not a check name: a lower-case letter, then letters, digits, `-` and `_`, 60 characters at most");
    insta::assert_snapshot!(wrong("text", "checks/deep/a.yaml", "a: b\n"), @"[unknown-file] checks/deep/a.yaml: no rule reads this file, so it would change nothing; cases go to `tests/*.yaml`, checks to `checks/*.yaml` and `checks/*.rego`");
}

#[test]
fn two_files_of_one_check_are_one_too_many() {
    let files = files(
        "a",
        &[
            ("checks/a.yaml", OWN),
            ("checks/a.rego", "package a\ndeny := true\n"),
        ],
    );
    insta::assert_snapshot!(shown(&compile(&files).expect_err("an error")), @"[duplicate] checks/a.rego: there is another check `a`; give this one another name");
}
