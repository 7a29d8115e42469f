use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;
use crate::domain::{
    ids::Span,
    policy::{Connector, Execute, Filling, InputError, WorkflowExecute, lint},
    source::read_tree,
};

const LEAST: &str = "workflow: deploy.yml, ref: main, environment: production";

/// The starter set whose note has a workflow run.
fn running(workflow: &str) -> Vec<SourceFile> {
    let mut files = starter();
    let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
    let (before, rest) = catalog.text.split_once("    execute:\n      http:\n").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    catalog.text = format!("{before}    execute:\n      actions: {workflow}\n\n{after}");
    files
}

fn workflow(text: &str) -> WorkflowExecute {
    let policy = policy(&running(text));
    match action(&policy, "crm.note").execute().steps()[0].connector() {
        Connector::Workflow(workflow) => workflow.clone(),
        other => panic!("{other:?}"),
    }
}

/// What it is answered with, without the place, which is asserted on its own.
fn refused(text: &str) -> String {
    let answer = shown(&compile(&running(text)).expect_err("an error"));
    let lines = answer.lines().map(|line| {
        let (start, rest) = line.split_once(": ").unwrap();
        assert!(start.contains("catalog.yaml:37:"), "{line}");
        rest.to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn with(more: &str) -> String {
    format!("{{ {LEAST}, {more} }}")
}

fn fill(
    workflow: &WorkflowExecute,
    params: &Value,
) -> Result<std::collections::BTreeMap<String, String>, InputError> {
    let with = Filling {
        params,
        proposal: "01A",
        item: "1",
        key: "01A/1",
    };
    workflow.fill(with, "01A/1")
}

#[test]
fn what_is_not_stated_about_a_workflow_is_the_least() {
    let workflow = workflow(&format!("{{ {LEAST} }}"));
    assert_eq!((workflow.repository(), workflow.workflow()), (None, "deploy.yml"));
    assert_eq!(
        (workflow.branch().as_str(), workflow.environment()),
        ("main", "production")
    );
    assert_eq!((workflow.within(), workflow.nonce()), (Span::seconds(1800), None));
    assert_eq!(fill(&workflow, &json!({})), Ok([].into()));
}

#[test]
fn inputs_are_texts_of_approved_values_and_nothing_is_read_into_them() {
    let workflow = workflow(&with(
        "nonce: nonce, inputs: { id: \"${params.customer_id}\", text: \"${params.text}\", count: 3, really: true, proposal: \"${proposal.id}\" }",
    ));
    for hostile in [
        "two\nlines",
        "${{ secrets.TOKEN }}",
        "${params.customer_id}",
        "\"; rm -rf / #",
        "\u{202e}",
    ] {
        let inputs = fill(&workflow, &json!({ "customer_id": "C-1", "text": hostile })).unwrap();
        let expected = [
            ("count", "3"),
            ("id", "C-1"),
            ("nonce", "01A/1"),
            ("proposal", "01A"),
            ("really", "true"),
            ("text", hostile),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(inputs, expected.into());
    }
    for (value, text) in [(json!(1.5), "1.5"), (json!(-7), "-7"), (json!(false), "false")] {
        let inputs = fill(&workflow, &json!({ "customer_id": "C-1", "text": value })).unwrap();
        assert_eq!(inputs["text"], text);
    }
    for value in [json!(null), json!([1]), json!({ "a": 1 })] {
        let error = fill(&workflow, &json!({ "customer_id": "C-1", "text": value })).unwrap_err();
        assert_eq!(error, InputError::NotText("text".into()), "{value}");
    }
}

#[test]
fn inputs_are_as_long_as_github_takes_them_and_no_longer() {
    let workflow = workflow(&with("inputs: { text: \"${params.text}\" }"));
    let around = r#"{"text":""}"#.len();
    let long = |count: usize| fill(&workflow, &json!({ "text": "é".repeat(count) }));
    assert!(long(65_535 - around).is_ok());
    assert_eq!(long(65_536 - around), Err(InputError::TooLong(65_536)));
    // What JSON writes in two characters counts twice.
    let quotes = fill(&workflow, &json!({ "text": "\"".repeat(40_000) }));
    assert_eq!(quotes, Err(InputError::TooLong(80_000 + around)));
}

#[test]
fn i23_what_an_agent_says_reaches_a_workflow_as_inputs_alone() {
    insta::assert_snapshot!(refused("{ workflow: \"${params.text}\", ref: main, environment: production }"), @"`${params.text}` is not a workflow's file; write its name below `.github/workflows/`, as in `deploy.yml`");
    insta::assert_snapshot!(refused("{ workflow: deploy.yml, ref: main, environment: \"${params.text}\" }"), @"`${params.text}` is not an environment's name; write it as its page shows it, without places to fill");
    insta::assert_snapshot!(refused("{ workflow: deploy.yml, ref: \"${params.text}\", environment: production }"), @"`ref` is literal: what an agent proposes can't choose it");
    assert!(refused(&with("repository: \"${params.text}\"")).contains("is not a repository"));
    insta::assert_snapshot!(refused(&with("inputs: { text: \"x ${params.text}\" }")), @"`x ${params.text}` is not a place to fill; the whole text must be `${params.name}`, `${proposal.id}`, `${item.id}` or `${step.key}`");
    insta::assert_snapshot!(refused(&with("inputs: { \"${params.text}\": x }")), @r"
    `${params.text}` is not the name of an input: a letter or `_`, then letters, digits, `-` and `_`
    the field name `${params.text}` must be literal
    ");
    insta::assert_snapshot!(refused(&with("inputs: { text: \"${params.txt}\" }")), @"unknown parameter `txt`; did you mean `text`?");
    for file in [
        "deploy",
        "../x.yml",
        ".github/workflows/x.yml",
        "x.yml?ref=y",
        ".yml",
        "''",
    ] {
        let answer = refused(&format!(
            "{{ workflow: {file}, ref: main, environment: production }}"
        ));
        assert!(answer.contains("is not a workflow's file"), "{file}: {answer}");
    }
}

#[test]
fn inputs_that_github_would_not_take_are_named() {
    insta::assert_snapshot!(refused(&with("inputs: [a]")), @r#"`inputs` is a mapping from names to values, as in `{ version: "${params.version}" }`"#);
    insta::assert_snapshot!(refused(&with("inputs: { a: [1] }")), @"input `a` takes text, a number, `true`, `false` or `${params.x}`");
    insta::assert_snapshot!(refused(&with("inputs: { a: null }")), @"input `a` takes text, a number, `true`, `false` or `${params.x}`");
    insta::assert_snapshot!(refused(&with("inputs: { a: x, A: y }")), @"the input `A` appears twice");
    insta::assert_snapshot!(refused(&with("nonce: a, inputs: { a: x }")), @"`a` is the nonce, which the bot fills; remove it here");
    insta::assert_snapshot!(refused(&with("nonce: 'a b'")), @"`a b` is not the name of an input: a letter or `_`, then letters, digits, `-` and `_`");
    insta::assert_snapshot!(refused(&with("within: 7h")), @"`within` is `7h`; between 1m and 6h");
    let mut inputs = String::new();
    for count in 0..25 {
        write!(inputs, "i{count}: x, ").unwrap();
    }
    workflow(&with(&format!("inputs: {{ {inputs} }}")));
    insta::assert_snapshot!(refused(&with(&format!("nonce: nonce, inputs: {{ {inputs} }}"))), @"a workflow takes 25 inputs at most, the nonce included");
    insta::assert_snapshot!(refused(&with(&format!("inputs: {{ {inputs} last: x }}"))), @"a workflow takes 25 inputs at most, the nonce included");
}

#[test]
fn i29_what_is_sealed_is_no_input() {
    let mut files = running(&with("inputs: { text: \"${params.text}\" }"));
    let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
    catalog.text = catalog.text.replacen(
        "    execute:\n      actions",
        "    sensitive: [params.text]\n    execute:\n      actions",
        1,
    );
    let answer = shown(&compile(&files).expect_err("an error"));
    assert!(
        answer.contains(
            "`params.text` is sensitive and can't stand in the inputs of a workflow, which GitHub shows"
        ),
        "{answer}"
    );
}

#[test]
fn a_run_that_can_t_be_found_again_is_warned_of() {
    let found = |text: &str| {
        let findings = lint::lint(&running(text)).into_iter();
        let of_it = findings.filter(|found| found.id() == "run-without-nonce");
        let lines = of_it.map(|found| format!("{}: {}", found.message(), found.remedy().unwrap()));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(found(&with("nonce: nonce")), "");
    insta::assert_snapshot!(found(&format!("{{ {LEAST} }}")), @"`crm.note` can't find its run of `deploy.yml` again: after a crash or a lost answer it is unknown: give the workflow an input for a nonce, `run-name: ${{ inputs.nonce }}`, and write `nonce: nonce`");
}

#[test]
fn the_example_that_people_copy_is_one() {
    let text = include_str!("../../../../docs/executors.md");
    let (_, text) = text.split_once("## `actions`").unwrap();
    let (_, text) = text.split_once("```yaml\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let tree = read_tree(&SourceFile::new("example.yaml", text)).unwrap();
    let execute = Execute::read(tree.get("execute").unwrap()).unwrap();
    assert!(
        matches!(execute.steps()[0].connector(), Connector::Workflow(workflow) if workflow.nonce().is_some())
    );
}
