use serde_json::{Value, json};

use super::*;
use crate::domain::policy::ResourcePattern;

fn payment() -> Value {
    json!({"supplier_id": "S-1", "amount": {"minor": 1, "currency": "EUR"}, "reference": "r"})
}

fn faults(action: &Action, params: &Value) -> Vec<String> {
    let shown =
        |error: &crate::domain::policy::ParamError| format!("{}: {}", error.pointer(), error.message());
    action.validate(params).iter().map(shown).collect()
}

#[test]
fn every_parameter_that_does_not_fit_is_named() {
    let policy = policy(&starter());
    let pay = action(&policy, "payments.create");
    assert_eq!(faults(&pay, &payment()), [""; 0]);
    let mut bad = payment();
    bad["amuont"] = json!(5);
    bad["amount"] = json!({"minor": 12.5, "currncy": "EUR"});
    bad["reference"] = json!("");
    assert_eq!(
        faults(&pay, &bad),
        [
            "/amount/currency: the parameter `currency` is missing",
            "/amount/currncy: unknown parameter `currncy`; did you mean `currency`?",
            "/amount/minor: `/amount/minor` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00)",
            "/amuont: unknown parameter `amuont`; did you mean `amount`?",
            "/reference: the value is shorter than 1 character",
        ]
    );
    assert_eq!(faults(&pay, &json!([])), [": the value is not of type `object`"]);
    assert_eq!(faults(&pay, &Value::Null).len(), 1);
}

#[test]
fn i29_a_refusal_never_repeats_a_value() {
    let policy = policy(&starter());
    let pay = action(&policy, "payments.create");
    for secret in [
        json!("secret-iban"),
        json!(["secret-iban"]),
        json!({"secret-iban": "secret-iban"}),
    ] {
        let mut bad = payment();
        bad["iban"] = secret;
        let found = faults(&pay, &bad);
        assert!(
            !found.is_empty() && found.iter().all(|text| !text.contains("secret")),
            "{found:?}"
        );
    }
}

const NESTED: &str = r##"params:
      type: object
      required: [customer_id, text]
      $defs:
        window: { type: object, default: {}, properties: { days: { type: integer, default: 7 } } }
      properties:
        window: { $ref: "#/$defs/window" }
        tags: { type: array, items: { type: object, properties: { weight: { type: integer, default: 1 }, name: { type: string } } } }
        open: { type: object, additionalProperties: true }
        "a/b": { type: integer, default: 2 }"##;

fn nested() -> Action {
    let from = "params:\n      type: object\n      required: [customer_id, text]\n      properties:";
    action(&policy(&with("catalog.yaml", from, NESTED)), "crm.note")
}

#[test]
fn defaults_are_filled_in_at_every_depth_and_told() {
    let note = nested();
    let mut params = json!({"customer_id": "c", "text": "t", "tags": [{"name": "x"}, {"weight": 5}]});
    let filled = note.apply_defaults(&mut params);
    assert_eq!(filled, ["/a~1b", "/tags/0/weight", "/window", "/window/days"]);
    assert_eq!(
        params,
        json!({
            "customer_id": "c", "text": "t", "a/b": 2, "window": {"days": 7},
            "tags": [{"name": "x", "weight": 1}, {"weight": 5}],
        })
    );
    assert_eq!(faults(&note, &params), [""; 0]);
    assert_eq!(note.apply_defaults(&mut params), [""; 0]);
    let mut wrong = json!([1]);
    assert_eq!(note.apply_defaults(&mut wrong), [""; 0]);
}

#[test]
fn objects_are_closed_unless_they_say_otherwise() {
    let note = nested();
    let schema = note.params();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["properties"]["tags"]["items"]["additionalProperties"],
        false
    );
    assert_eq!(schema["$defs"]["window"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["open"]["additionalProperties"], true);
    let params = json!({"customer_id": "c", "text": "t", "open": {"x": 1}, "tags": [{"nmae": 1}], "window": {"dais": 1}});
    assert_eq!(
        faults(&note, &params),
        [
            "/tags/0/nmae: unknown parameter `nmae`; did you mean `name`?",
            "/window/dais: unknown parameter `dais`; did you mean `days`?",
        ]
    );
}

#[test]
fn a_schema_without_bound_is_refused() {
    let open = "params:\n      type: object\n      required: [customer_id, text]\n      properties:";
    let loops = format!(
        "{}\n        more: {{ $ref: \"#/$defs/n\" }}",
        open.replace("      properties:", "      $defs: { n: { type: object, default: {}, properties: { a: { $ref: \"#/$defs/n\" }, b: { $ref: \"#/$defs/n\" } } } }\n      properties:")
    );
    let bomb: String = (0..25)
        .map(|n| format!(" d{n}: {{ type: object, default: {{}}, properties: {{ a: {{ $ref: \"#/$defs/d{}\" }}, b: {{ $ref: \"#/$defs/d{}\" }} }} }},", n + 1, n + 1))
        .collect();
    let bomb = format!(
        "{}\n        more: {{ $ref: \"#/$defs/d0\" }}",
        open.replace(
            "      properties:",
            &format!("      $defs: {{{bomb} d25: {{ type: integer }} }}\n      properties:")
        )
    );
    for schema in [loops, bomb] {
        assert_eq!(
            broken("catalog.yaml", open, &schema),
            "[params-schema] catalog.yaml:28:7: the schema refers to itself or grows too large; write it out to a fixed depth"
        );
    }
}

#[test]
fn a_resource_takes_only_values_that_cannot_change_the_path() {
    let pattern = ResourcePattern::parse("/payments/{supplier.id}/x").unwrap();
    assert_eq!(pattern.to_string(), "/payments/{supplier.id}/x");
    let path = |value: Value| pattern.path(&json!({"supplier": {"id": value}}));
    assert_eq!(path(json!("Zoë-1.5_a")).unwrap(), "/payments/Zoë-1.5_a/x");
    assert_eq!(path(json!(42)).unwrap(), "/payments/42/x");
    assert_eq!(path(json!(-1)).unwrap(), "/payments/-1/x");
    for bad in [
        json!(""),
        json!("."),
        json!(".."),
        json!("a..b"),
        json!("a/b"),
        json!("/"),
        json!("a\\b"),
        json!("%2e"),
        json!("a b"),
        json!("a\tb"),
        json!("a\n"),
        json!("\u{0}"),
        json!("a\u{a0}b"),
        json!("a\u{200b}b"),
        json!("\u{202e}ab"),
        json!("a\u{feff}"),
        json!("\u{e0041}"),
        json!("e\u{301}"),
        json!("\u{212b}"),
        json!("a\u{fe0f}"),
        json!("\u{2800}"),
        json!("x".repeat(129)),
        json!(1.5),
        json!(true),
        json!(null),
        json!([]),
        json!({}),
    ] {
        let error = path(bad.clone()).unwrap_err();
        assert_eq!(error.param().to_string(), "params.supplier.id");
        assert!(!error.why().is_empty(), "{bad}");
    }
    assert!(path(json!("x".repeat(128))).is_ok());
    assert_eq!(
        pattern.path(&json!({})).unwrap_err().to_string(),
        "`params.supplier.id` is missing"
    );
}
