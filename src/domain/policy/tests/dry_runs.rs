use super::*;
use crate::domain::{
    ids::Span,
    policy::{HttpDryRun, Method},
};

const BEFORE: &str = "    sensitive: [params.iban]    # sealed in Git, masked wherever people read\n";
const PAYMENT: &str = "url: https://bank.example/payments?dry_run=true, body: { amount: \"${params.amount}\", iban: \"${params.iban}\" }, \
                       keep: { fee: /fee }";

fn asking(http: &str) -> Vec<SourceFile> {
    let (before, rest) = http.split_once("url: ").unwrap();
    let (url, after) = rest.split_at(rest.find(", ").unwrap_or(rest.len()));
    let http = format!("{before}url: \"{url}\"{after}");
    let dry_run = format!("{BEFORE}    dry_run: {{ http: {{ {http} }} }}\n");
    with("catalog.yaml", BEFORE, &dry_run)
}

fn dry_run(http: &str) -> HttpDryRun {
    let payments = action(&policy(&asking(http)), "payments.create");
    payments.dry_run().unwrap().clone()
}

fn refused(http: &str) -> String {
    shown(&compile(&asking(http)).expect_err(http))
}

#[test]
fn a_dry_run_is_read_and_what_is_left_out_has_a_usual_value() {
    let read = dry_run(PAYMENT);
    let asks = read.request();
    assert_eq!((asks.method(), asks.timeout()), (Method::Post, Span::seconds(10)));
    assert_eq!(asks.url().host(), "bank.example");
    assert!(!asks.allow_private() && asks.auth().is_none());
    let kept: Vec<(&str, &str)> = read
        .keep()
        .iter()
        .map(|(name, at)| (name.as_str(), at.as_str()))
        .collect();
    assert_eq!(kept, [("fee", "/fee")]);
    let read = dry_run(
        "method: PUT, url: https://bank.example/payments/validate, timeout: 60s, auth: { bearer: { file: bank/try } }",
    );
    assert_eq!(
        (read.request().method(), read.request().timeout()),
        (Method::Put, Span::seconds(60))
    );
    assert_eq!(
        read.request().auth().unwrap().secret().unwrap().as_str(),
        "bank/try"
    );
    assert!(action(&policy(&starter()), "payments.create").dry_run().is_none());
}

#[test]
fn what_can_t_be_a_dry_run_is_refused_with_what_would_be() {
    let body = "body: { validate_only: true }";
    for (http, why) in [
        (
            "method: GET, url: https://bank.example/payments?dry_run=true",
            "`GET` only reads; use `observe`",
        ),
        (
            "method: HEAD, url: https://bank.example/payments?dry_run=true",
            "HEAD",
        ),
        (
            "url: https://bank.example/payments, body: { validate_only: true, key: \"${step.key}\" }",
            "a dry run is no step",
        ),
        (
            "url: https://bank.example/payments?dry_run=true, auth: { credential: {} }",
            "nothing is approved when the bot asks",
        ),
        (
            "url: https://bank.example/payments?dry_run=true, timeout: 61s",
            "between 1s and 1m",
        ),
        (
            "url: https://bank.example/payments?dry_run=true, keep: { Fee: /fee }",
            "`Fee` is not a name",
        ),
        (
            "url: https://bank.example/payments?dry_run=true, keep: { \"a b\": /fee }",
            "is not a name",
        ),
        (
            "url: https://bank.example/payments?dry_run=true, keep: { fee: fee }",
            "is not a JSON pointer",
        ),
        ("url: http://127.0.0.1/payments?dry_run=true", "is a private host"),
        (
            "url: https://bank.example/payments?dry_run=true&iban={iban}",
            "is sensitive and can't stand in a URL",
        ),
        (
            "url: https://bank.example/payments?dry_run=true&x={nothing}",
            "nothing",
        ),
        (
            "url: https://bank.example/payments?dry_run=true, body: { x: \"${params.nothing}\" }",
            "nothing",
        ),
        (
            "url: https://bank.example/payments?dry_run=true, idempotency_header: Idempotency-Key",
            "idempotency_header",
        ),
        (
            &format!("url: https://bank.example/payments, {body}, before: /before"),
            "before",
        ),
    ] {
        let answer = refused(http);
        assert!(answer.contains(why), "{http}: {answer}");
        assert!(answer.contains("catalog.yaml:"), "{answer}");
    }
    for (from, why) in [
        (
            "dry_run: { command: { program: /bin/true } }",
            "unknown connector `command`",
        ),
        ("dry_run: {}", "expected one connector"),
    ] {
        let answer = broken("catalog.yaml", BEFORE, &format!("{BEFORE}    {from}\n"));
        assert!(answer.contains(why), "{answer}");
    }
}

/// The payment is `POST https://bank.example/payments` with supplier, amount, reference and so on, all filled in.
#[test]
fn i14_a_dry_run_that_nothing_of_the_catalog_s_own_tells_from_an_act_is_refused() {
    for like in [
        "url: https://bank.example/payments",
        "url: https://bank.example/payments/",
        "url: https://bank.example//payments",
        "url: https://BANK.example:443/Payments",
        "url: https://bank.example/p%61yments",
        "url: https://bank.example/payments?dry_run={reference}",
        "url: https://bank.example/payments?dry_run=true&dry_run={reference}",
        "url: https://bank.example/{reference}",
        "url: https://bank.example/payments, body: { supplier: \"${params.supplier_id}\", amount: \"${params.amount}\" }",
        "url: https://bank.example/payments, body: { validate_only: \"${params.reference}\" }",
        "url: https://bank.example/payments, body: { amount: \"${params.amount}\", other: { list: [] } }",
    ] {
        let answer = refused(like);
        assert!(
            answer.contains("nothing tells this from what `payments.create` does"),
            "{like}: {answer}"
        );
    }
    for apart in [
        "url: https://bank.example/payments?dry_run=true",
        "url: https://bank.example/payments?dry_run",
        "url: https://bank.example/payments/validate",
        "url: https://bank.example/validations",
        "url: https://bank.example:8443/payments",
        "url: https://try.bank.example/payments",
        "method: PUT, url: https://bank.example/payments",
        "url: https://bank.example/payments, body: { amount: \"${params.amount}\", validate_only: true }",
        "url: https://bank.example/payments, body: { options: [{ mode: validate }] }",
    ] {
        dry_run(apart);
    }
    // What another action does is an act too.
    let answer = refused("url: https://crm.example/campaigns, body: { segment: \"${params.reference}\" }");
    assert!(
        answer.contains("nothing tells this from what `campaigns.send` does"),
        "{answer}"
    );
}

#[test]
fn a_dry_run_needs_a_call_that_it_is_the_dry_run_of() {
    let mut files = starter();
    let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
    let (before, rest) = catalog.text.split_once("    execute:\n      http:\n").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    let dry_run = "    dry_run: { http: { url: \"https://crm.example/notes?dry_run=true\" } }\n";
    let workflow =
        "    execute:\n      actions: { workflow: deploy.yml, ref: main, environment: production }\n";
    catalog.text = format!("{before}{dry_run}{workflow}\n{after}");
    let answer = shown(&compile(&files).expect_err("an error"));
    assert!(answer.contains("and `execute` has none"), "{answer}");
}
