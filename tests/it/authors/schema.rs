//! `countersign policy schema`: the starter files fit, and broken ones do not.

use std::{collections::BTreeMap, path::Path};

use countersign::domain::{
    policy::editor::Form,
    source::{SourceFile, read_value},
};
use serde_json::{Value, json};

use super::starter;
use crate::{
    cli::{at, run},
    explain::realistic,
};

fn schema(kind: &str) -> Value {
    let ran = run(&["policy", "schema", kind]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

fn validator(kind: &str) -> jsonschema::Validator {
    let schema = schema(kind);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{kind}: {error}"));
    jsonschema::draft202012::options().build(&schema).unwrap()
}

fn read(path: &Path, name: &str) -> (String, Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let value = read_value(&SourceFile::new(name, text.clone())).unwrap();
    (text, value)
}

#[test]
fn every_starter_file_fits_its_schema_and_names_it_for_editors() {
    let dir = starter(&[]);
    let policies = dir.path().join("policies");
    let written = dir.path().join(".countersign/schema");
    let ran = run(&["policy", "schema", "--write", at(&written)]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let mut seen = BTreeMap::new();
    let mut folders = vec![policies.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = at(path.strip_prefix(&policies).unwrap()).to_owned();
            let Some(form) = Form::of(&name) else {
                continue;
            };
            let (text, value) = read(&path, &name);
            let validator = validator(form.as_str());
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new(), "{name}");
            // The file's own comment leads from where it stands to what `--write` wrote.
            let comment = text.lines().next().unwrap();
            let named = comment.strip_prefix("# yaml-language-server: $schema=").unwrap();
            let leads = path.parent().unwrap().join(named).canonicalize().unwrap();
            assert_eq!(
                leads,
                written.join(format!("{form}.json")).canonicalize().unwrap(),
                "{name}"
            );
            *seen.entry(form).or_insert(0) += 1;
        }
    }
    for form in Form::ALL.into_iter().filter(|form| *form != Form::Proposal) {
        assert!(seen.contains_key(&form), "no starter file is of the kind {form}");
    }
}

#[test]
fn broken_files_do_not_fit() {
    let dir = starter(&[]);
    let policies = dir.path().join("policies");
    let breaks: &[(&str, &str, Value)] = &[
        ("catalog.yaml", "/actions/crm.note/impact", json!("medium")),
        ("catalog.yaml", "/actions/crm.note/data", json!([])),
        (
            "catalog.yaml",
            "/actions/crm.note/resource",
            json!("crm/customers"),
        ),
        ("catalog.yaml", "/actions/crm.note/colour", json!("blue")),
        ("catalog.yaml", "/actions/crm.note/sensitive", json!(["text"])),
        (
            "catalog.yaml",
            "/actions/crm.note/execute/http/method",
            json!("post"),
        ),
        (
            "catalog.yaml",
            "/actions/payments.refund/escalate/0/to",
            json!("higher"),
        ),
        (
            "catalog.yaml",
            "/actions/payments.refund/limits/0/per",
            json!("a day"),
        ),
        ("tiers.yaml", "/gates/high/approvals", json!("two")),
        ("tiers.yaml", "/gates/high/expires_after", json!(2)),
        ("tiers.yaml", "/gates/urgent", json!({})),
        ("tiers.yaml", "/rules/0/impact", json!([])),
        ("tiers.yaml", "/gates/low/sample_review", json!("101%")),
        ("people.yaml", "/people/alice/accounts", json!([])),
        ("people.yaml", "/people/alice/accounts/0/id", json!("1001")),
        ("people.yaml", "/people/alice/team", json!(["finance"])),
        ("agents.yaml", "/agents/support-agent/key", json!("hmac")),
        ("agents.yaml", "/agents/support-agent/sponsor", Value::Null),
        ("tests/finance.yaml", "/cases/0/expect/gate", json!("opened")),
        ("tests/finance.yaml", "/cases/0/reviews/0/says", json!("LGTM")),
        ("tests/finance.yaml", "/cases/0/propose/parameters", json!({})),
        (
            "tests/finance.yaml",
            "/cases/0/counted",
            json!({ "per_supplier": { "runs": 1 } }),
        ),
        (
            "tests/finance.yaml",
            "/cases/0/delegations",
            json!([{ "owner": "alice" }]),
        ),
        (
            "tests/finance.yaml",
            "/cases/0/granted",
            json!([{ "check": "brand" }]),
        ),
        ("tests/finance.yaml", "/cases/0/excluded", json!([-1])),
    ];
    for (name, pointer, value) in breaks {
        let (_, mut file) = read(&policies.join(name), name);
        let (up, field) = pointer.rsplit_once('/').unwrap();
        match file
            .pointer_mut(up)
            .unwrap_or_else(|| panic!("{name} has no {up}"))
        {
            Value::Object(fields) => drop(fields.insert(field.to_owned(), value.clone())),
            Value::Array(items) => items[field.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{other}"),
        }
        let form = Form::of(name).unwrap();
        assert!(
            !validator(form.as_str()).is_valid(&file),
            "{name} {pointer} {value}"
        );
    }
}

#[test]
fn a_proposal_as_agents_send_it_fits() {
    let validator = validator("proposal");
    let whole = json!({
        "operation": "crm.note",
        "sponsor": "erin",
        "parameters": { "customer_id": "C-1", "text": "hello" },
        "nonce": "0123456789abcdef",
        "justification": "The customer called.",
    });
    assert!(validator.is_valid(&whole));
    let mut wrong = whole;
    wrong["operatoin"] = json!("crm.note");
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn facts_as_the_ledger_gives_them_fit() {
    let validator = validator("facts");
    let facts: Value = serde_json::from_str(&realistic::facts(1)).unwrap();
    assert!(validator.is_valid(&facts), "{facts:#}");
    let by_hand = json!({
        "operation": "crm.note",
        "agent": "support-agent",
        "parameters": { "customer_id": "C-1", "text": "hello" },
        "at": "2026-11-22T10:00:00Z",
        "reviews": [{ "by": "dave", "says": "approve" }, { "by": 1004, "says": "request_changes" }],
        "counted": { "per_customer": { "ran": 1 } },
        "granted": [{ "check": "brand", "by": "henry" }],
    });
    assert!(validator.is_valid(&by_hand));
    for (field, value) in [
        ("operatoin", json!("crm.note")),
        ("reviews", json!([{ "by": "dave" }])),
        ("at", json!(7)),
    ] {
        let mut wrong = by_hand.clone();
        wrong[field] = value;
        assert!(!validator.is_valid(&wrong), "{wrong:#}");
    }
}

#[test]
fn an_unknown_kind_names_the_kinds() {
    let ran = run(&["policy", "schema", "catalogue"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("catalog"), "{}", ran.err);
    assert_eq!(run(&["policy", "schema"]).code, 2);
}
