//! The checks that are part of the program: what they find, where, how bad, and what to do; never the value itself.

use serde_json::{Value, json};

use super::{Rules, approved, campaign, check, found, gates, note, set};

fn notes(checks: &str) -> Rules {
    Rules::small(&[(
        "catalog.yaml",
        "checks: [text]              #",
        &format!("checks: [{checks}]              #"),
    )])
}

fn campaigns(checks: &str) -> Rules {
    Rules::small(&[(
        "catalog.yaml",
        "    checks: [text]\n    # How",
        &format!("    checks: [{checks}]\n    # How"),
    )])
}

#[test]
fn i29_pii_is_found_by_kind_with_its_checksum_and_never_repeated() {
    // What is found, the part that must not come back, and one digit on, which is none.
    let cases = [
        (
            "an e-mail address",
            "ann.lee@acme.example",
            "ann.lee at acme.example",
        ),
        ("a telephone number", "+49 170 1234567", "170 12"),
        ("an IBAN", "DE89370400440532013000", "DE89370400440532013001"),
        (
            "an IBAN",
            "GB82 WEST 1234 5698 7654 32",
            "GB82 WEST 1234 5698 7654 33",
        ),
        (
            "a payment card number",
            "4111 1111 1111 1111",
            "4111 1111 1111 1112",
        ),
        ("a Dutch citizen service number", "bsn 111222333", "bsn 111222334"),
        ("a Spanish identity number", "12345678Z", "12345678A"),
    ];
    let rules = notes("pii");
    for (kind, value, none) in cases {
        let answers = rules.ask(&[
            note(&format!("it is {value} now")),
            note(&format!("it is {none} now")),
        ]);
        assert_eq!(gates(&answers), ["blocked", "open"], "{value}");
        let [one] = found(&answers[0], "pii").try_into().unwrap();
        assert!(
            one.starts_with(&format!("deny /items/1/parameters/text {kind} `")),
            "{one}"
        );
        let remedy = "send it in a parameter that the catalog marks `sensitive`";
        assert!(one.contains(remedy), "{one}");
        let told = answers[0].to_string();
        assert!(!told.contains(value), "{told}");
    }
}

#[test]
fn pii_that_the_action_declares_or_the_policy_allows_is_none_and_named_fields_are() {
    let mail = note("ann.lee@acme.example");
    let declared = Rules::small(&[
        (
            "catalog.yaml",
            "checks: [text]              #",
            "checks: [pii]              #",
        ),
        (
            "catalog.yaml",
            "data: [internal]            #",
            "data: [pii]            #",
        ),
    ]);
    assert_ne!(check(&declared.ask_one(mail.clone()), "pii")["level"], "deny");
    let allowed = notes("pii").with("checks/pii.yaml", "allow: [params.text]\n");
    assert_eq!(check(&allowed.ask_one(mail.clone()), "pii")["level"], "pass");
    let warned = notes("pii").with("checks/pii.yaml", "levels: { email: warn, phone: off }\n");
    let answers = warned.ask(&[mail, note("+49 170 1234567")]);
    assert_eq!(check(&answers[0], "pii")["level"], "warn");
    assert_eq!(check(&answers[1], "pii")["level"], "pass");
    assert_eq!(gates(&answers), ["open", "open"]);
    let named = notes("pii").with("checks/pii.yaml", "fields: [customer_id]\n");
    let answer = named.ask_one(note("hello"));
    assert_eq!(check(&answer, "pii")["level"], "deny");
    assert!(!answer.to_string().contains("C-1"), "{answer}");
}

#[test]
fn i29_a_secret_is_found_by_its_shape_and_never_repeated() {
    let rules = notes("secrets");
    for (kind, value) in [
        (
            "a GitHub token",
            concat!("ghp_16C7e42F292c6912E7", "710c838347Ae178B4a"),
        ),
        ("an AWS access key", concat!("AKIAIOSF", "ODNN7EXAMPLE")),
        (
            "a private key",
            concat!("-----BEGIN OPENSSH ", "PRIVATE KEY-----\nb3BlbnNzaC1rZXk"),
        ),
    ] {
        let answer = rules.ask_one(note(&format!("use {value} for it")));
        let [one] = found(&answer, "secrets").try_into().unwrap();
        assert!(
            one.starts_with(&format!("deny /items/1/parameters/text {kind}; send no secrets")),
            "{one}"
        );
        assert_eq!(answer["gate"], "blocked");
        assert!(!answer.to_string().contains(value));
    }
}

#[test]
fn i26_text_that_does_not_show_what_it_says_is_found() {
    let known = "known: [ACME Ltd]\nknown_domains: [acme.example]\n";
    let rules = notes("text").with("checks/text.yaml", known);
    for (text, level, what) in [
        ("a\u{202e}b", "deny", "a text-direction control (U+202E)"),
        ("a\u{2066}b", "deny", "a text-direction control (U+2066)"),
        ("a\u{200b}b", "deny", "an invisible character (U+200B)"),
        (
            "a\u{e0041}b",
            "deny",
            "a tag character or variation selector (U+E0041)",
        ),
        ("p\u{430}ypal", "warn", "mixes scripts"),
        (
            "pay \u{410}CME Ltd",
            "deny",
            "looks like the known `ACME Ltd` and is another",
        ),
        (
            "see \u{430}cme.example",
            "deny",
            "looks like the known `acme.example` and is another",
        ),
    ] {
        let answer = rules.ask_one(note(text));
        assert_eq!(check(&answer, "text")["level"], level, "{text:?}");
        let all = found(&answer, "text");
        assert!(
            all[0].contains("/items/1/parameters/text") && all[0].contains(what),
            "{all:?}"
        );
    }
    let fine = rules.ask(&[
        note("pay ACME Ltd"),
        note("see acme.example"),
        note("Größe, Привет, 你好"),
    ]);
    assert_eq!(gates(&fine), ["open"; 3]);
}

/// Somebody who agreed to a purpose until a time.
fn person(purpose: &str, until: &str) -> Value {
    json!({ "email": "ann@acme.example", "consents": [{ "purpose": purpose, "until": until }] })
}

#[test]
fn consent_is_needed_by_purpose_and_until_its_end() {
    let settings = "audience: /affected/sample\nconsents: /consents\npurpose: /purpose\nexpires: /until\nneeded: newsletter\n";
    let rules = campaigns("consent").with("checks/consent.yaml", settings);
    let agreed = || person("newsletter", "2027-01-01T00:00:00Z");
    let to = |count: usize, people: &[Value]| {
        let seen = json!([{ "before": {}, "affected": { "count": count, "sample": people } }]);
        approved(set(campaign(), "/observed", seen), &["dave"])
    };
    let answers = rules.ask(&[
        to(1, &[agreed()]),
        to(2, &[agreed(), person("newsletter", "2026-01-01T00:00:00Z")]),
        to(2, &[agreed(), person("invoices", "2027-01-01T00:00:00Z")]),
        to(2, &[agreed(), json!({ "email": "ann@acme.example" })]),
        // Whom the bot did not see may not have agreed.
        to(2, &[agreed()]),
    ]);
    assert_eq!(
        gates(&answers),
        ["open", "blocked", "blocked", "blocked", "errored"]
    );
    let told: Vec<String> = answers
        .iter()
        .flat_map(|answer| found(answer, "consent"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    deny /observed/1/affected/sample/1 1 of 2 people agreed only to a time that has passed to `newsletter`; leave them out, or ask for their consent first
    deny /observed/1/affected/sample/1 1 of 2 people did not agree to `newsletter`; leave them out, or ask for their consent first
    deny /observed/1/affected/sample/1 1 of 2 people did not agree to `newsletter`; leave them out, or ask for their consent first
    errored /observed/1/affected/sample only 1 of 2 people who are addressed are known; let `observe` read everybody who is addressed, with their consents, in the catalog
    ");
    assert!(!json!(answers).to_string().contains("ann@acme"), "{answers:#?}");
}

#[test]
fn brand_finds_wording_links_a_missing_way_out_and_other_senders() {
    let settings = "forbidden: [{ words: guaranteed return, instead: expected return }, { words: risk-free }]\nrequired: [Acme Ltd]\n\
                    links: [acme.example]\nunsubscribe: { param: params.body, words: [unsubscribe] }\n\
                    senders: { params: [params.from_name], allow: [Acme] }\n";
    let rules = campaigns("brand").with("checks/brand.yaml", settings);
    let with = |body: &str| set(campaign(), "/parameters/body", json!(body));
    let answers = rules.ask(&[
        with("By Acme Ltd, https://acme.example/x. To unsubscribe, answer."),
        with("A Guaranteed  Return, https://acme.example.evil.example/x"),
        set(
            with("Acme Ltd unsubscribe risk-free"),
            "/parameters/from_name",
            json!("The Bank"),
        ),
    ]);
    assert_eq!(found(&answers[0], "brand"), Vec::<String>::new());
    insta::assert_snapshot!(found(&answers[1], "brand").join("\n"), @r"
    deny /items/1/parameters/body the wording `guaranteed return`; say `expected return` instead
    deny /items/1/parameters/body a link to `acme.example.evil.example`; link only to `acme.example`
    deny /items/1/parameters the wording `Acme Ltd` is missing; add it to the text
    deny /items/1/parameters/body no line says how to unsubscribe; add one that says `unsubscribe`
    ");
    insta::assert_snapshot!(found(&answers[2], "brand").join("\n"), @r"
    deny /items/1/parameters/body the wording `risk-free`; leave it out
    deny /items/1/parameters/from_name a sender that is not allowed; send it as `Acme`
    ");
}

#[test]
fn an_exception_is_granted_by_those_whom_the_check_names_and_by_no_party() {
    let big = "summary: Big\nlevel: deny\nexpression: params.amount.minor <= 1000000\nmessage: above ten thousand\nremedy: pay less\nexceptions: { approvers: [marketing, carol] }\n";
    let rules = Rules::small(&[(
        "catalog.yaml",
        "checks: [text]\n    sensitive",
        "checks: [big]\n    sensitive",
    )])
    .with("checks/big.yaml", big);
    let granted = |by: &str| {
        let granted = json!([{ "check": "big", "by": by, "reason": "the yearly invoice" }]);
        set(approved(super::payment(), &["alice", "bob"]), "/granted", granted)
    };
    let answers = rules.ask(&[
        approved(super::payment(), &["alice", "bob"]),
        granted("dave"),
        granted("alice"),
        granted("carol"),
    ]);
    // Who is no approver of the check, or sponsors the proposal, lets nothing pass.
    let open: Vec<bool> = gates(&answers).iter().map(|gate| *gate == "open").collect();
    assert_eq!(open, [false, true, false, false]);
}
