use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Tokens are put together here, so that this file itself holds none.
fn token(prefix: &str, rest: &str) -> String {
    format!("{prefix}{rest}")
}

const R40: &str = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ2bC4fG6hJ8kL0n";

/// The first of its characters.
fn r(most: usize) -> &'static str {
    R40.get(..most).unwrap()
}

fn request(change: impl FnOnce(&mut Value)) -> Request {
    let mut value = json!({
        "operation": "payments.create", "sponsor": "carol", "nonce": "0123456789abcdef",
        "parameters": {"supplier_id": "ACME", "iban": "DE89370400440532013000"},
        "justification": "invoice 4711 is due",
        "signature": R40,
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

#[test]
fn i29_tokens_of_known_issuers_are_found() {
    for (prefix, rest) in [
        ("AKIA", "IOSFODNN7EXAMPLE"),
        ("ghp_", r(36)),
        (
            "github_pat_",
            "11ABCDEFG0aB3dE5gH7jK9_mN1pQ3sT5vW7yZ2bC4fG6hJ8kL0nP2rS4tU6vX8zA1bC3dE5fG7hJ9kL1m",
        ),
        ("glpat-", "aB3dE5gH7jK9mN1pQ3sT"),
        ("xoxb-", "123456789012-1234567890123-aB3dE5gH7jK9mN1pQ3sT5vW7"),
        ("sk_live_", "aB3dE5gH7jK9mN1pQ3sT5vW7"),
        ("AIza", r(35)),
        ("GOCSPX-", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ2b"),
        ("npm_", r(36)),
        ("hvs.", "aB3dE5gH7jK9mN1pQ3sT5vW7"),
        (
            "SG.",
            "aB3dE5gH7jK9mN1pQ3sT5v.W7yZ2bC4fG6hJ8kL0nP2rS4tU6vX8zA1bC3dE5fG7h",
        ),
        (
            "https://hooks.slack.com/services/T",
            "00000000/B00000000/aB3dE5gH7jK9mN1pQ3sT5vW7",
        ),
        ("-----BEGIN RSA PRIVATE", " KEY-----\nMIIE"),
        ("-----BEGIN PGP PRIVATE", " KEY BLOCK-----"),
        ("-----BEGIN OPENSSH PRIVATE", " KEY-----"),
        (
            "eyJhbGciOiJIUzI1NiJ9",
            ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        ),
        ("postgres://app:", "s3cr3t-pass@db.example/main"),
        ("password = ", "h4x0r-Tr0ub4dor3"),
        ("Authorization: Bearer ", "aB3dE5gH7jK9mN1pQ3sT"),
        ("{\"api_key\": \"", "aB3dE5gH7jK9mN1p\"}"),
        (
            "AWS_SECRET_ACCESS_KEY=",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
    ] {
        let text = token(prefix, rest);
        for text in [
            text.clone(),
            format!("please use {text} for it"),
            format!("x={text}"),
        ] {
            assert!(secret(&text, None).is_some(), "{text}");
        }
    }
}

#[test]
fn near_misses_are_not_secrets() {
    for text in [
        "AKIA and ghp_ and glpat- are prefixes",
        "AKIAIOSFODNN7EXAM",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_short",
        "pk_live_aB3dE5gH7jK9mN1pQ3sT5vW7",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "eyJhbGciOiJIUzI1NiJ9 is a header",
        "password: please choose a new one",
        "password = ${vault.password_of_db_1}",
        "the token: see the handbook, chapter 12",
        "https://user@host.example/path",
        "https://host.example:8443/a@b",
        "ratio 1:2 and a = b",
        "task-123456789012345678901234",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "DE89 3704 0044 0532 0130 00",
    ] {
        assert_eq!(secret(text, None), None, "{text}");
    }
    assert!(secret(r(20), Some("db_password")).is_some());
    assert!(secret(r(20), Some("Client-Secret")).is_some());
    assert!(secret(r(20), Some("idempotency_key")).is_none());
    assert!(secret("rotate the key of the shop by 2026", Some("secret")).is_none());
}

#[test]
fn a_token_with_its_checksum_is_found_however_plain_its_body() {
    // CRC-32 of thirty `a`, as zlib gives it, in base 62.
    let sum = shapes::checksum(&[b'a'; 30]);
    assert_eq!(std::str::from_utf8(&sum).unwrap(), "1yLcDB");
    let body = "a".repeat(30);
    let whole = token("ghp_", &format!("{body}{}", std::str::from_utf8(&sum).unwrap()));
    assert_eq!(secret(&whole, None), Some("a GitHub token"));
    assert_eq!(secret(&token("ghp_", &"a".repeat(36)), None), None);
}

#[test]
fn i29_invisible_and_wide_characters_hide_no_token() {
    let plain = token("ghp_", r(36));
    let broken = plain.replacen("B3", "B\u{200b}3", 1);
    let wide: String = plain
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap())
        .collect();
    assert!(secret(&broken, None).is_some());
    assert!(secret(&wide, None).is_some());
}

#[test]
fn i29_a_request_with_a_secret_anywhere_is_refused_without_showing_it() {
    let secret = token("glpat-", "aB3dE5gH7jK9mN1pQ3sT");
    type Change<'a> = Box<dyn Fn(&mut Value) + 'a>;
    let places: [(&str, Change<'_>); 6] = [
        (
            "/justification",
            Box::new(|v| v["justification"] = json!(format!("with {secret}"))),
        ),
        (
            "/parameters/supplier_id",
            Box::new(|v| v["parameters"]["supplier_id"] = json!(secret)),
        ),
        (
            "/claimed/a/0",
            Box::new(|v| v["claimed"] = json!({"a": [secret]})),
        ),
        (
            "/claimed/•••",
            Box::new(|v| v["claimed"] = json!({secret.as_str(): 1})),
        ),
        (
            "/exceptions/0/reason",
            Box::new(|v| v["exceptions"] = json!([{"check": "text", "reason": secret}])),
        ),
        (
            "/provenance/gen_ai.conversation.id",
            Box::new(|v| v["provenance"] = json!({"gen_ai.conversation.id": secret})),
        ),
    ];
    for (at, change) in places {
        let found = refuse(&request(change), &["/iban".into()]);
        assert_eq!(found.len(), 1, "{at}: {found:?}");
        assert_eq!(found[0].at, at);
        assert!(!format!("{found:?}").contains("aB3dE5gH"), "{found:?}");
    }
    assert_eq!(refuse(&request(|_| {}), &[]), []);
}

#[test]
fn what_is_sealed_may_be_a_secret() {
    let sent = request(|v| v["parameters"]["new_password"] = json!("h4x0r-Tr0ub4dor3"));
    assert_eq!(refuse(&sent, &[]).len(), 1);
    assert_eq!(refuse(&sent, &["/new_password".into()]), []);
    let batch = request(|v| {
        v.as_object_mut().unwrap().remove("parameters");
        v["items"] = json!([{"id": "a", "parameters": {"token": R40}}]);
    });
    assert_eq!(refuse(&batch, &[]).len(), 1);
    assert_eq!(refuse(&batch, &["/token".into()]), []);
}

/// Steps are counted by the input, not by a clock: these end at once or the test run shows it.
#[test]
fn hostile_texts_end() {
    for unit in [
        "ghp_",
        "eyJ",
        "eyJ.",
        "token=",
        "://",
        "-----BEGIN ",
        "glpat-",
        "a:",
        "====",
        "A",
        "AIza",
        "1",
    ] {
        let text = unit.repeat((256 << 10) / unit.len());
        let _ = secret(&text, Some("password"));
    }
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,300}", field in "\\PC{0,20}") {
        let _ = secret(&text, Some(&field));
    }

    #[test]
    fn i29_a_token_is_found_in_any_surroundings(before in "[ -~]{0,40}", after in "[^a-zA-Z0-9]{0,40}") {
        let text = format!("{before}{}{after}", token("xoxb-", "aB3dE5gH7jK9mN1pQ3sT5vW7"));
        prop_assert!(secret(&text, None).is_some());
    }
}
