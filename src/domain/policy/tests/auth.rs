use super::*;
use crate::domain::policy::{Auth, SecretName};

const EXECUTE: &str = "        url: https://bank.example/payments\n";
const OBSERVE: &str = "        url: https://bank.example/suppliers/{supplier_id}/preview?minor={amount.minor}&currency={amount.currency}\n";

fn executing(auth: &str) -> Vec<SourceFile> {
    with(
        "catalog.yaml",
        EXECUTE,
        &format!("{EXECUTE}        auth: {auth}\n"),
    )
}

fn auth(text: &str) -> Auth {
    let payments = action(&policy(&executing(text)), "payments.create");
    let http = payments.execute().steps()[0].connector().http().unwrap();
    http.request().auth().unwrap().clone()
}

fn refused(auth: &str) -> String {
    shown(&compile(&executing(auth)).expect_err(auth))
}

#[test]
fn i19_each_way_to_authenticate_is_read() {
    let secret = |text: &str| text.parse::<SecretName>().unwrap();
    assert_eq!(
        auth("{ credential: {} }"),
        Auth::Credential {
            audience: "https://bank.example".into()
        }
    );
    assert_eq!(
        auth("{ credential: { audience: https://bank.example/payments } }").audience(),
        Some("https://bank.example/payments")
    );
    assert_eq!(
        auth("{ credential: { audience: bank } }").audience(),
        Some("bank")
    );
    assert_eq!(
        auth("{ bearer: { env: COUNTERSIGN_SECRET_BANK } }"),
        Auth::Bearer(secret("COUNTERSIGN_SECRET_BANK"))
    );
    assert_eq!(
        auth("{ header: { name: X-Api-Key, value: { file: bank/token.txt } } }"),
        Auth::Header {
            name: "X-Api-Key".into(),
            value: secret("bank/token.txt"),
        }
    );
    assert_eq!(
        auth("{ header: { name: Authorization, value: { file: bank } } }").secret(),
        Some(&secret("bank"))
    );
    assert_eq!(
        auth("{ basic: { user: the bot, password: { env: COUNTERSIGN_SECRET_BANK } } }"),
        Auth::Basic {
            user: "the bot".into(),
            password: secret("COUNTERSIGN_SECRET_BANK"),
        }
    );
}

#[test]
fn i19_only_what_the_operator_set_aside_for_targets_can_be_named() {
    for (auth, why) in [
        (
            "{ bearer: { env: PATH } }",
            "must begin with `COUNTERSIGN_SECRET_`",
        ),
        (
            "{ bearer: { env: COUNTERSIGN_WEBHOOK_SECRET } }",
            "must begin with",
        ),
        ("{ bearer: { env: COUNTERSIGN_SECRET_ } }", "must begin with"),
        ("{ bearer: { env: COUNTERSIGN_SECRET_a } }", "must begin with"),
        (
            "{ bearer: { env: \"COUNTERSIGN_SECRET_A=B\" } }",
            "must begin with",
        ),
        ("{ bearer: { file: /etc/shadow } }", "inside that directory"),
        ("{ bearer: { file: ../gate } }", "inside that directory"),
        ("{ bearer: { file: a/../../gate } }", "inside that directory"),
        ("{ bearer: { file: a//b } }", "inside that directory"),
        ("{ bearer: { file: .git } }", "inside that directory"),
        ("{ bearer: { file: \"a\\0b\" } }", "inside that directory"),
        (
            "{ bearer: { file: COUNTERSIGN_SECRET_X } }",
            "inside that directory",
        ),
        (
            "{ bearer: { url: https://vault.example } }",
            "unknown place of a secret `url`",
        ),
        (
            "{ bearer: { env: COUNTERSIGN_SECRET_A, file: a } }",
            "does not belong in the catalog",
        ),
        (
            "{ basic: { user: \"a:b\", password: { file: a } } }",
            "is not a user name",
        ),
        ("{ basic: { user: a } }", "the field `password` is missing"),
        (
            "{ header: { name: Host, value: { file: a } } }",
            "not a header that can carry a secret",
        ),
        (
            "{ header: { name: Cookie, value: { file: a } } }",
            "not a header that can carry a secret",
        ),
        (
            "{ header: { name: \"X-A\\r\\nHost\", value: { file: a } } }",
            "not a header that can carry",
        ),
        (
            "{ header: { name: Countersign-Proposal, value: { file: a } } }",
            "not a header that can carry",
        ),
        (
            "{ header: { name: idempotency-key, value: { file: a } } }",
            "carries the idempotency key",
        ),
        (
            "{ credential: { audience: https://other.example } }",
            "another host than the connector's",
        ),
        (
            "{ credential: { audience: \"https://bank.example@other.example\" } }",
            "another host",
        ),
        ("{ credential: { audience: \"a b\" } }", "is not an audience"),
        ("{ credential: { scope: all } }", "unknown field `scope`"),
        (
            "{ bearer: { file: a }, credential: {} }",
            "expected one of `credential`",
        ),
        ("{}", "expected one of `credential`"),
        ("{ oauth: {} }", "unknown way to authenticate `oauth`"),
        ("{ credential: { audience: https://bank.example }, }", ""),
    ] {
        if why.is_empty() {
            policy(&executing(auth));
            continue;
        }
        let answer = refused(auth);
        assert!(answer.contains(why), "{auth}: {answer}");
        assert!(answer.contains("catalog.yaml:"), "{answer}");
    }
}

#[test]
fn a_secret_written_into_the_catalog_is_refused_and_not_repeated() {
    for auth in [
        "{ bearer: hunter2hunter2 }",
        "{ header: { name: X-Api-Key, value: hunter2hunter2 } }",
        "{ basic: { user: bot, password: hunter2hunter2 } }",
        "hunter2hunter2",
    ] {
        let answer = refused(auth);
        assert!(!answer.contains("hunter2"), "{answer}");
    }
}

#[test]
fn i19_an_observation_has_no_credential_and_may_have_a_secret() {
    let observing = |auth: &str| {
        with(
            "catalog.yaml",
            OBSERVE,
            &format!("{OBSERVE}        auth: {auth}\n"),
        )
    };
    let answer = shown(&compile(&observing("{ credential: {} }")).unwrap_err());
    assert!(
        answer.contains("nothing is approved when the bot looks"),
        "{answer}"
    );
    let files = observing("{ bearer: { env: COUNTERSIGN_SECRET_BANK_READ } }");
    let payments = action(&policy(&files), "payments.create");
    let secret = payments
        .observe()
        .unwrap()
        .request()
        .auth()
        .unwrap()
        .secret()
        .unwrap()
        .clone();
    assert_eq!(secret.as_str(), "COUNTERSIGN_SECRET_BANK_READ");
}
