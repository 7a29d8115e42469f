use serde_json::{Value, json};

use super::*;
use crate::domain::{
    ids::Span,
    policy::{Connector, Filling, HttpExecute, Method, UrlTemplate},
};

fn http(action: &Action) -> HttpExecute {
    match action.execute().steps()[0].connector() {
        Connector::Http(http) => http.clone(),
        Connector::Command(_) | Connector::Workflow(_) | Connector::Thaw(_) => panic!("not over HTTP"),
    }
}

#[test]
fn a_body_is_filled_with_whole_values() {
    let policy = policy(&starter());
    let execute = http(&action(&policy, "payments.create"));
    let hostile = json!({
        "supplier_id": "\",\"admin\":true,\"x\":\"${params.iban}",
        "amount": {"minor": 1_250_000, "currency": "EUR"},
        "reference": "${proposal.id}",
    });
    fn filling(params: &Value) -> Filling<'_> {
        Filling {
            params,
            proposal: "P1",
            item: "I1",
            key: "P1/I1",
        }
    }
    let fill = |http: &HttpExecute, params: &Value| http.request().body().unwrap().fill(filling(params));
    let body = fill(&execute, &hostile).unwrap();
    assert_eq!(
        body,
        json!({
            "supplier": hostile["supplier_id"],
            "amount": {"minor": 1_250_000, "currency": "EUR"},
            "reference": "${proposal.id}",
            "end_to_end_id": "I1",
        })
    );
    let without = fill(&execute, &json!({})).unwrap();
    assert_eq!(without, json!({"end_to_end_id": "I1"}));
    let files = with(
        "catalog.yaml",
        "iban: ${params.iban} ",
        "accounts: [1, \"${params.iban}\", {a: ~}] ",
    );
    let listed = http(&action(&compile(&files).unwrap(), "payments.create"));
    let error = fill(&listed, &json!({})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`params.iban` is missing; the request's body needs it"
    );
}

#[test]
fn a_url_is_filled_percent_encoded_and_keeps_its_host() {
    let url = UrlTemplate::parse("https://bank.example:8443/a/{id}/b?q={q}&fixed=1", false).unwrap();
    assert_eq!(url.host(), "bank.example");
    assert_eq!(url.as_str(), "https://bank.example:8443/a/{id}/b?q={q}&fixed=1");
    let fill = |id: &str, q: Value| url.fill(&json!({"id": id, "q": q}));
    assert_eq!(
        fill("é@x", json!("a&b=c#d/?")).unwrap().as_str(),
        "https://bank.example:8443/a/%C3%A9%40x/b?q=a%26b%3Dc%23d%2F%3F&fixed=1"
    );
    assert_eq!(fill("1;2", json!(5)).unwrap().path(), "/a/1%3B2/b");
    for id in ["..", ".", "a/b", "", "%2e%2e", "a\\b", "\u{202e}"] {
        assert!(fill(id, json!(1)).is_err(), "{id}");
    }
    assert!(fill("a", json!(null)).is_err());
    assert!(fill("a", json!({"x": 1})).is_err());
    assert_eq!(
        url.fill(&json!({"id": "a"})).unwrap_err().to_string(),
        "`params.q` is missing"
    );
    let root = UrlTemplate::parse("https://bank.example", false).unwrap();
    assert_eq!(root.fill(&json!({})).unwrap().as_str(), "https://bank.example/");
    let query = UrlTemplate::parse("https://bank.example?x={x}", false).unwrap();
    assert_eq!(
        query.fill(&json!({"x": "1"})).unwrap().as_str(),
        "https://bank.example/?x=1"
    );
}

#[test]
fn i23_only_hosts_that_are_named_plainly_are_called() {
    for good in [
        "https://bank.example/",
        "https://1.1.1.1/x",
        "https://[2606:4700::1]/x",
        "https://bank.example:8443/%20",
    ] {
        assert!(UrlTemplate::parse(good, false).is_ok(), "{good}");
    }
    let private = [
        "http://127.0.0.1:8080/x",
        "http://localhost:1/x",
        "http://[::1]:80/x",
        "https://10.1.2.3/x",
        "https://192.168.0.1/",
        "https://172.16.0.1/",
        "https://[fd00::1]/",
        "https://x.localhost/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0x7f.1/",
    ];
    for private in private {
        assert!(UrlTemplate::parse(private, true).is_ok(), "{private}");
        let message = UrlTemplate::parse(private, false).unwrap_err();
        assert!(message.contains("`allow_private: true`"), "{private}: {message}");
    }
    for never in [
        "http://bank.example/",
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://u@bank.example/",
        "https://u:p@bank.example/",
        "https://bank.example/#x",
        "https://",
        "https:///x",
        "//bank.example/x",
        "bank.example/x",
        "file:///etc/passwd",
        "HTTPS://bank.example/",
        "https://{host}/",
        "https://a.{host}/",
        "https://bank.example:{port}/",
        "https://bank.example:99999/",
        "https://bänk.example/",
        "https://bank.example/{a}{b}",
        "https://bank.example/x{a}",
        "https://bank.example/{}",
        "https://bank.example/{a",
        "https://bank.example/a}",
        "https://bank.example/?{a}=1",
        "https://bank.example/?a=x{a}",
        "https://bank.example/../x",
        "https://bank.example/%2e%2E/x",
        "https://bank.example/.%2e",
        "https://bank.example\\@evil.example/",
        "https://bank.example/\n",
        "https://bank.example/a b",
    ] {
        assert!(UrlTemplate::parse(never, true).is_err(), "{never}");
    }
}

#[test]
fn a_local_demo_target_compiles() {
    let to = "http://127.0.0.1:45123/api/payments\n        allow_private: true";
    let files = with("catalog.yaml", "https://bank.example/payments", to);
    let execute = http(&action(&policy(&files), "payments.create"));
    assert!(execute.request().allow_private());
    assert_eq!(execute.request().url().host(), "127.0.0.1");
    assert_eq!(
        execute.request().url().fill(&json!({})).unwrap().as_str(),
        "http://127.0.0.1:45123/api/payments"
    );
}

#[test]
fn what_is_not_stated_has_its_default() {
    let stated = "        url: https://crm.example/campaigns\n        idempotency_header: Idempotency-Key\n";
    let files = with(
        "catalog.yaml",
        stated,
        "        url: https://crm.example/campaigns\n",
    );
    let policy = policy(&files);
    let send = action(&policy, "campaigns.send");
    let execute = http(&send);
    assert_eq!(execute.request().method(), Method::Post);
    assert_eq!(execute.request().timeout(), Span::seconds(30));
    assert_eq!(execute.idempotency_header(), "Idempotency-Key");
    assert!(
        !execute.repeatable(),
        "only a stated header promises that one key acts once"
    );
    assert!(http(&action(&policy, "payments.create")).repeatable());
    assert!(!http(&action(&policy, "payments.create")).persistent());
    assert!(!execute.request().allow_private());
    let observe = send.observe().unwrap();
    assert_eq!(
        (observe.request().method(), observe.request().timeout()),
        (Method::Get, Span::seconds(10))
    );
    let answer = json!({"before": {"name": "x"}, "count": 4200});
    assert_eq!(
        observe.affected().count().unwrap().find(&answer),
        Some(&json!(4200))
    );
    assert_eq!(
        observe.before().unwrap().find(&answer),
        Some(&json!({"name": "x"}))
    );
    assert!(action(&policy, "crm.note").observe().is_none());
}

#[test]
fn a_masked_sensitive_parameter_may_be_described() {
    for text in [
        "{{ params.iban | mask }}",
        "{{params.iban|mask}}",
        "{{ params.iban | mask | upper }}",
    ] {
        policy(&with("catalog.yaml", "{{ params.amount | money }}", text));
    }
    for text in [
        "{{ params.iban | mask }} {{ params.iban }}",
        "{{ params['iban'] }}",
        "{{ params.iban | mask }} {{ params['iban'] }}",
        "{{ params.iban | mask }} {{ params . iban }}",
        "{% set x = params.iban %}{{ x }}",
        "{% set x = params %}{{ x.iban }}",
        "{{ params.iban | maskless }}",
    ] {
        let answer = broken("catalog.yaml", "{{ params.amount | money }}", text);
        assert!(
            answer.starts_with("[sensitive]") || answer.starts_with("[describe]"),
            "{text}: {answer}"
        );
    }
}
