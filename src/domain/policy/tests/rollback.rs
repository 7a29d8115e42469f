//! What the action that takes another back is given: what compiles, and what every mistake is answered with.

use super::*;

const ROLLBACK: &str = "    rollback: { kind: inverse, within: 30d }";
const RECALL: &str = r#"actions:
  payments.recall:
    summary: Call a payment back
    resource: /payments/recalls/{payment}
    impact: moderate
    data: [financial]
    rollback: { kind: none }
    raci: { responsible: payments-agent, accountable: finance }
    params:
      type: object
      required: [payment, amount]
      properties:
        payment: { type: string }
        amount: { type: object, required: [minor], properties: { minor: { type: integer }, currency: { type: string } } }
        urgent: { type: boolean }
        tags: { type: array, items: { type: string } }
        iban: { type: string }
        other: { type: string }
    describe: "Recall {{ params.payment }}"
    sensitive: [params.iban]
    execute: { http: { method: POST, url: https://bank.example/recalls } }
"#;

/// The small set in which a payment is taken back so.
fn taking_back(rollback: &str) -> Vec<SourceFile> {
    let mut files = with("catalog.yaml", ROLLBACK, &format!("    rollback: {rollback}"));
    let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
    catalog.text = catalog.text.replacen("actions:\n", RECALL, 1);
    files
}

fn recalled(with: &str) -> String {
    format!("{{ kind: inverse, action: payments.recall, within: 30d, with: {{ {with} }} }}")
}

#[test]
fn what_takes_an_action_back_is_read() {
    let files = taking_back(&recalled(
        "payment: \"${run.key}\", amount: \"${params.amount}\", urgent: true, iban: \"${params.iban}\", tags: [\"${before.name}\", a]",
    ));
    let payments = action(&policy(&files), "payments.create");
    let (by, _) = payments.undoing().unwrap();
    assert_eq!(by.as_str(), "payments.recall");
    let spelled = recalled("payment: x, amount: { minor: \"${params.amount.minor}\", currency: EUR }");
    policy(&taking_back(&spelled));
    // Without parameters it is taken back by a proposal that somebody writes.
    let by_hand = taking_back("{ kind: inverse, action: payments.recall }");
    assert_eq!(action(&policy(&by_hand), "payments.create").undoing(), None);
    let restored = taking_back(
        "{ kind: restore, with: { supplier_id: \"${params.supplier_id}\", amount: \"${params.amount}\", reference: \"${before.reference}\" } }",
    );
    let payments = action(&policy(&restored), "payments.create");
    assert_eq!(payments.undoing().unwrap().0.as_str(), "payments.create");
}

#[test]
fn every_mistake_is_answered_with_its_place_and_what_helps() {
    let mut all = String::new();
    for with in [
        "payment: \"${run.key}\"",
        "payment: \"${run.key}\", amount: \"${params.amount}\", ibn: x",
        "payment: \"${run.key}\", amount: \"${params.amont}\"",
        "payment: \"${run.keys}\", amount: \"${params.amount}\"",
        "payment: \"pay ${run.key}\", amount: \"${params.amount}\"",
        "payment: \"${run.pay.key}\", amount: \"${params.amount}\"",
        "payment: \"${params.amount.minor}\", amount: \"${params.amount}\"",
        "payment: \"${params.iban}\", amount: { minor: many }",
        "payment: \"${run.key}\", amount: { currency: EUR }",
        "payment: \"${run.key}\", amount: \"${params.amount}\", other: \"${params.iban}\"",
        "payment: \"${run.key}\", amount: \"${params.amount}\", tags: [1]",
    ] {
        let errors = compile(&taking_back(&recalled(with))).expect_err(with);
        all.push_str(&format!("{}\n", shown(&errors)));
    }
    for rollback in [
        "{ kind: inverse, action: payments.recall, with: [1] }",
        "{ kind: inverse, with: { payment: x } }",
        "{ kind: none, with: { payment: x } }",
        "{ kind: inverse, action: payments.recal, with: { payment: x } }",
    ] {
        let errors = compile(&taking_back(rollback)).expect_err(rollback);
        all.push_str(&format!("{}\n", shown(&errors)));
    }
    insta::assert_snapshot!(all, @r#"
    [rollback] catalog.yaml:121:76: `payments.recall` needs `amount`; add it
    [unknown-name] catalog.yaml:121:134: unknown parameter of `payments.recall` `ibn`; did you mean `iban`?
    [unknown-name] catalog.yaml:121:109: unknown parameter `amont`; did you mean `amount`?
    [rollback] catalog.yaml:121:87: `${run.keys}` is not a place to fill; the whole text must be `${params.name}`, `${before.name}`, `${run.key}`, or `${run.STEP.key}` of a named step
    [rollback] catalog.yaml:121:87: `pay ${run.key}` is not a place to fill; the whole text must be `${params.name}`, `${before.name}`, `${run.key}`, or `${run.STEP.key}` of a named step
    [rollback] catalog.yaml:121:87: the action has one step, without a name; write `${run.key}`
    [rollback] catalog.yaml:121:87: `payment` of `payments.recall` must be of type `string`, and this is of type `integer`
    [sensitive] catalog.yaml:121:87: `params.iban` is sealed, and `payments.recall` does not seal `payment`; add `params.payment` to its `sensitive`, or leave it out
    [rollback] catalog.yaml:121:87: `payments.recall` needs `payment`, and `params.iban` may be missing; use a parameter that is `required`
    [rollback] catalog.yaml:121:122: `amount.minor` of `payments.recall` must be of type `integer`, and this is of type `string`
    [rollback] catalog.yaml:121:109: `payments.recall` needs `amount.minor`; add it
    [sensitive] catalog.yaml:121:136: `params.iban` is sealed, and `payments.recall` does not seal `other`; add `params.other` to its `sensitive`, or leave it out
    [rollback] catalog.yaml:121:136: `tags.0` of `payments.recall` must be of type `string`, and this is of type `integer`
    [rollback] catalog.yaml:121:63: expected the parameters of the action that takes it back, as in `with: { payment: "${run.key}" }`
    [rollback] catalog.yaml:121:38: `with` needs the `action` that it is for
    [syntax] catalog.yaml:121:35: `kind: none` can't be taken back, so it has no `with`; remove it, or name another kind
    [unknown-name] catalog.yaml:121:40: unknown action `payments.recal`; did you mean `payments.recall`?
    "#);
}

#[test]
fn facts_are_there_when_something_reads_them() {
    let error = broken(
        "catalog.yaml",
        "    rollback:\n      kind: restore             # inverse: another action undoes it; restore: the old state is put back; none\n      within: 30d\n",
        "    rollback: { kind: restore, with: { customer_id: \"${params.customer_id}\", text: \"${before.text}\" } }\n",
    );
    assert!(
        error.contains(
            "nothing is known as `before.text`: the action has no `observe`; add one, or use `params`"
        ),
        "{error}"
    );
}
