//! Credentials at a target that verifies them, and secrets by reference, through the front door. INVARIANT i19.

mod target;

use std::{collections::BTreeSet, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use countersign::{
    cli::demo::targets::Fault,
    domain::{canonical::digest_of, credential::KeyRing, ids::Digest},
    store::CredentialKeys,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) use target::Strict;

use crate::{
    cli::run,
    world::{Setup, World, note, secret_file, story_with},
};

const PAYMENT: &str = "        idempotency_header: Idempotency-Key\n        timeout: 60s\n";

/// Payments are shown as this says, and go through `strict`.
pub(crate) fn paying(strict: &Strict, with: &'static str) -> Setup {
    Setup {
        edits: vec![("catalog.yaml", PAYMENT, with)],
        bank_url: Some(strict.url().to_owned()),
        ..Setup::default()
    }
}

pub(crate) const CREDENTIAL: &str =
    "        idempotency_header: Idempotency-Key\n        timeout: 60s\n        auth: { credential: {} }\n";

async fn pay(world: &mut World) -> crate::world::Opened {
    let payment = world.payment().await;
    world.approve("alice", &payment).await;
    world.approve("bob", &payment).await;
    payment
}

fn only<'a>(entries: &'a [Value], kind: &str) -> &'a Value {
    let mut found = entries.iter().filter(|entry| entry["kind"] == kind);
    let one = found
        .next()
        .unwrap_or_else(|| panic!("no `{kind}`: {entries:#?}"));
    assert!(found.next().is_none());
    one
}

/// Named on the record before it was made: whoever reads `started` can derive the name of the first credential.
fn first_name(started: &Value) -> String {
    let claim = [
        &started["proposal"],
        &started["digests"]["plan"],
        &started["body"],
    ];
    let claim = digest_of(&claim).unwrap();
    format!("{}.1", BASE64URL.encode(&claim.as_bytes()[..16]))
}

async fn published(world: &World) -> Vec<String> {
    let (status, keys) = world.raw("GET", "/.well-known/jwks.json", &[], Vec::new()).await;
    assert_eq!(status, 200);
    let text = keys.to_string();
    assert!(!text.contains("\"d\"") && !text.contains("private"), "{text}");
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_each_execution_shows_a_credential_made_for_that_one_request() {
    let strict = Strict::start().await;
    story_with(paying(&strict, CREDENTIAL), async |world| {
        strict.trust(world);
        let payment = pay(world).await;
        assert_eq!(strict.refusals(), Vec::<String>::new());
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
        let about = world.about(&payment);
        let (started, finished) = (only(&about, "started"), only(&about, "finished"));
        let [claims] = &strict.claims()[..] else { panic!() };
        for (claim, is) in [
            ("aud", json!(strict.url())),
            ("sub", json!(payment.id)),
            ("operation", json!("payments.create")),
            ("tier", json!("high")),
            ("item", json!("1")),
            ("call", json!(format!("{}/1", payment.id))),
            ("htm", json!("POST")),
            ("htu", json!(format!("{}/payments", strict.url()))),
            ("action_digest", started["digests"]["action"].clone()),
            ("plan_digest", started["digests"]["plan"].clone()),
            ("policy_digest", started["digests"]["policy"].clone()),
        ] {
            assert_eq!(claims[claim], is, "{claim}");
        }
        let approvers: BTreeSet<&str> = claims["approvers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["person"].as_str().unwrap())
            .collect();
        assert_eq!(approvers, BTreeSet::from(["alice", "bob"]));
        let name = first_name(started);
        assert_eq!(claims["jti"], json!(name));
        let recorded = &finished["body"]["credentials"];
        assert_eq!(recorded.as_array().unwrap().len(), 1);
        assert_eq!(recorded[0]["jti"], json!(name));
        assert_eq!(recorded[0]["audience"], json!(strict.url()));
        assert_eq!(recorded[0]["call"], claims["call"]);
        assert_eq!(json!([recorded[0]["kid"]]), json!(published(world).await));
        // What needs no credential shows none, and what only looks neither.
        assert!(strict.looks().iter().all(Option::is_none));
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
        world.settle().await;
        assert!(
            world.entries().last().unwrap()["body"]
                .get("credentials")
                .is_none()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_low_tier_is_named_before_it_acts_too() {
    let setup = Setup {
        edits: vec![(
            "catalog.yaml",
            "        idempotency_header: Idempotency-Key\n        # A leaf",
            "        idempotency_header: Idempotency-Key\n        auth: { credential: {} }\n        # A leaf",
        )],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
        world.settle().await;
        let entries = world.entries();
        let recorded = &only(&entries, "finished")["body"]["credentials"];
        assert_eq!(recorded.as_array().unwrap().len(), 1);
        assert_eq!(recorded[0]["jti"], json!(first_name(only(&entries, "started"))));
    })
    .await;
}

/// A token as somebody else would make it.
fn forged(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

fn part(value: &Value) -> String {
    BASE64URL.encode(value.to_string())
}

fn ed25519(seed: u8) -> EncodingKey {
    let ring = KeyRing::begin(
        Zeroizing::new([seed; 32]),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    EncodingKey::from_ed_der(&ring.keys()[0].pkcs8())
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_a_target_lets_nothing_else_in() {
    let strict = Strict::start().await;
    story_with(paying(&strict, CREDENTIAL), async |world| {
        strict.trust(world);
        let payment = pay(world).await;
        assert_eq!(world.state(&payment).await, "executed");
        let (token, claims) = (strict.tokens()[0].clone(), strict.claims()[0].clone());
        let kid = published(world).await[0].clone();
        let keys = CredentialKeys::of(&world.data.path().join("bot"), None)
            .ring()
            .unwrap();
        let real = EncodingKey::from_ed_der(&keys.keys()[0].pkcs8());
        let header = |alg| Header {
            kid: Some(kid.clone()),
            ..Header::new(alg)
        };
        // The body is not known any more, and need not be: it is this one that a token is made for.
        let body = br#"{"supplier":"acme-ltd"}"#.to_vec();
        let fresh = |edit: &dyn Fn(&mut Value)| {
            let mut claims = claims.clone();
            claims["jti"] = json!(crate::world::fresh());
            claims["body_digest"] = json!(Digest::of(&body));
            edit(&mut claims);
            claims
        };
        let good = |edit: &dyn Fn(&mut Value)| forged(&header(Algorithm::EdDSA), &fresh(edit), &real);
        let [head, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!()
        };
        let x = BASE64URL.encode(ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key());
        let attacks: Vec<(&str, String)> = vec![
            ("no token", String::new()),
            ("no token", "not.a.token".to_owned()),
            // Shown before, and with another body than it was made for.
            ("another request", token.clone()),
            (
                "signature",
                format!("{head}.{}.{signature}", part(&fresh(&|_| {}))),
            ),
            (
                "signature",
                format!("{head}.{payload}.{}", BASE64URL.encode([0; 64])),
            ),
            (
                "signature",
                forged(&header(Algorithm::EdDSA), &fresh(&|_| {}), &ed25519(7)),
            ),
            (
                "key",
                forged(
                    &Header {
                        kid: Some(BASE64URL.encode(Digest::of(x.as_bytes()).as_bytes())),
                        ..Header::new(Algorithm::EdDSA)
                    },
                    &fresh(&|_| {}),
                    &ed25519(7),
                ),
            ),
            (
                "algorithm",
                forged(
                    &header(Algorithm::HS256),
                    &fresh(&|_| {}),
                    &EncodingKey::from_secret(kid.as_bytes()),
                ),
            ),
            (
                "no token",
                format!(
                    "{}.{}.",
                    part(&json!({"alg": "none", "typ": "JWT", "kid": kid})),
                    part(&fresh(&|_| {}))
                ),
            ),
            (
                "audience",
                good(&|claims| claims["aud"] = json!("https://other.example")),
            ),
            (
                "issuer",
                good(&|claims| claims["iss"] = json!("https://other.example")),
            ),
            ("time", good(&|claims| claims["exp"] = claims["iat"].clone())),
            (
                "time",
                good(&|claims| claims["nbf"] = json!(claims["nbf"].as_i64().unwrap() + 100)),
            ),
            (
                "time",
                good(&|claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() + 301)),
            ),
            ("another request", good(&|claims| claims["htm"] = json!("DELETE"))),
            (
                "another request",
                good(&|claims| claims["htu"] = json!("http://other.example/payments")),
            ),
            (
                "another request",
                good(&|claims| claims["body_digest"] = json!(Digest::of(b"other"))),
            ),
            ("another request", good(&|claims| claims["call"] = json!("other"))),
            ("used", good(&|edited| edited["jti"] = claims["jti"].clone())),
        ];
        let http = reqwest::Client::new();
        for (why, token) in &attacks {
            let answer = http
                .post(format!("{}/payments", strict.url()))
                .header("authorization", format!("Bearer {token}"))
                .header("idempotency-key", claims["call"].as_str().unwrap())
                .header("countersign-proposal", payment.id.as_str())
                .body(body.clone())
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 401, "{why}: {token}");
            assert_eq!(strict.refusals().last().unwrap(), why, "{token}");
        }
        assert_eq!(strict.refusals().len(), attacks.len());
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_a_call_that_is_made_again_shows_another_credential() {
    let strict = Strict::start().await;
    story_with(paying(&strict, CREDENTIAL), async |world| {
        strict.trust(world);
        world.targets.bank().fault(Fault::FailAfter);
        let payment = pay(world).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(strict.refusals(), Vec::<String>::new());
        let jtis: BTreeSet<String> = strict
            .claims()
            .iter()
            .map(|claims| claims["jti"].to_string())
            .collect();
        assert_eq!(jtis.len(), 2);
        let calls: BTreeSet<String> = strict
            .claims()
            .iter()
            .map(|claims| claims["call"].to_string())
            .collect();
        assert_eq!(calls.len(), 1);
        let about = world.about(&payment);
        let recorded = only(&about, "finished")["body"]["credentials"]
            .as_array()
            .unwrap()
            .clone();
        let recorded: BTreeSet<String> = recorded.iter().map(|one| one["jti"].to_string()).collect();
        assert_eq!(recorded, jtis);
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_what_is_unknown_names_the_credentials_that_were_shown() {
    let strict = Strict::start().await;
    let once: &str = "        timeout: 60s\n        auth: { credential: {} }\n";
    story_with(paying(&strict, once), async |world| {
        strict.trust(world);
        world.targets.bank().fault(Fault::FailAfter);
        let payment = pay(world).await;
        assert_eq!(world.state(&payment).await, "unknown");
        let about = world.about(&payment);
        let recorded = &only(&about, "unknown")["body"]["credentials"];
        assert_eq!(recorded[0]["jti"], strict.claims()[0]["jti"]);
    })
    .await;
}

fn rotate(data: &Path, more: &[&str]) -> Value {
    let data = data.to_str().unwrap();
    let ran = run(&[&["credentials", "rotate", "--json", "--data-dir", data], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_keys_change_while_executions_go_on() {
    let strict = Strict::start().await;
    story_with(paying(&strict, CREDENTIAL), async |world| {
        strict.trust(world);
        let data = world.data.path().join("bot");
        let old = published(world).await;
        assert_eq!(old.len(), 1);
        let told = rotate(&data, &[]);
        assert_eq!(told["signing"], json!(old[0]));
        let both = published(world).await;
        assert_eq!(both.len(), 2);
        assert_eq!(both[0], old[0]);
        let early = run(&["credentials", "rotate", "--data-dir", data.to_str().unwrap()]);
        assert_eq!(early.code, 1);
        assert!(early.err.contains("wait until then"), "{}", early.err);
        // Published, and not yet signing.
        let first = pay(world).await;
        world.both_later(Duration::from_secs(20 * 60));
        let second = pay(world).await;
        assert_eq!(published(world).await, both);
        world.both_later(Duration::from_secs(5 * 60));
        assert_eq!(published(world).await, both[1..]);
        let third = pay(world).await;
        let mut kids = Vec::new();
        for payment in [&first, &second, &third] {
            assert_eq!(world.state(payment).await, "executed");
            let about = world.about(payment);
            let credential = &only(&about, "finished")["body"]["credentials"][0];
            kids.push(credential["kid"].as_str().unwrap().to_owned());
        }
        assert_eq!(kids, [&both[0], &both[1], &both[1]].map(String::as_str));
        assert_eq!(strict.refusals(), Vec::<String>::new());
        assert_eq!(world.acted(), (3, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_a_key_that_is_out_is_gone_at_once() {
    let strict = Strict::start().await;
    story_with(paying(&strict, CREDENTIAL), async |world| {
        strict.trust(world);
        let data = world.data.path().join("bot");
        let old = published(world).await;
        rotate(&data, &[]);
        rotate(&data, &["--at-once"]);
        let new = published(world).await;
        assert_eq!(new.len(), 1);
        assert_ne!(new, old);
        let payment = pay(world).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(strict.refusals(), Vec::<String>::new());
        // A start finds the keys that are there, and makes none.
        world.restart().await;
        assert_eq!(published(world).await, new);
        let show = run(&["credentials", "show", "--data-dir", data.to_str().unwrap()]);
        assert!(show.out.contains(&new[0]), "{}", show.out);
        let file = data.join("credential-keys.json");
        let text = std::fs::read_to_string(&file).unwrap();
        let private = serde_json::from_str::<Value>(&text).unwrap()["keys"][0]["private"].clone();
        assert!(!show.out.contains(private.as_str().unwrap()));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_without_its_keys_nothing_merges_or_runs() {
    let strict = Strict::start().await;
    story_with(paying(&strict, CREDENTIAL), async |world| {
        strict.trust(world);
        let file = world.data.path().join("bot/credential-keys.json");
        let text = std::fs::read_to_string(&file).unwrap();
        for (wrong, mode) in [("{}", 0o600), (text.as_str(), 0o644)] {
            secret_file(&file, wrong);
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&file, permissions).unwrap();
            let (status, answer) = world.raw("GET", "/.well-known/jwks.json", &[], Vec::new()).await;
            assert_eq!(status, 503);
            assert!(!answer.to_string().contains("credential-keys"), "{answer}");
        }
        let payment = pay(world).await;
        assert_eq!(world.state(&payment).await, "open");
        secret_file(&file, &text);
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i15_i19_a_secret_that_is_not_there_keeps_a_proposal_from_merging() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup {
        edits: vec![(
            "catalog.yaml",
            "        idempotency_header: Idempotency-Key\n        body:\n          segment:",
            "        idempotency_header: Idempotency-Key\n        auth: { bearer: { file: crm/token } }\n        body:\n          segment:",
        )],
        secrets_dir: Some(directory.path().to_owned()),
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "open");
        let check = world.check(&campaign);
        assert_eq!(check.title, "Approved, waiting: it could not run");
        assert!(check.summary.contains("`crm/token`"), "{}", check.summary);
        assert!(!check.summary.contains(directory.path().to_str().unwrap()));
        std::fs::create_dir(directory.path().join("crm")).unwrap();
        secret_file(&directory.path().join("crm/token"), "a token of the CRM\n");
        world.sweep().await;
        assert_eq!(world.state(&campaign).await, "executed");
        assert_eq!(world.acted(), (0, 1));
    })
    .await;
}

#[test]
fn the_keys_that_replicas_share_are_made_by_hand_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    let of = |command: &str, more: &[&str]| {
        let common = [
            "credentials",
            command,
            "--credential-key-file",
            file.to_str().unwrap(),
        ];
        run(&[&common, more].concat())
    };
    let missing = of("show", &[]);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("`rotate` makes one"), "{}", missing.err);
    let made: Value = serde_json::from_str(&of("rotate", &["--json"]).out).unwrap();
    assert_eq!(made["keys"].as_array().unwrap().len(), 1);
    assert_eq!(made["signing"], made["keys"][0]["kid"]);
    assert_eq!(of("rotate", &[]).code, 0);
    let shown: Value = serde_json::from_str(&of("show", &["--json"]).out).unwrap();
    assert_eq!(shown["keys"].as_array().unwrap().len(), 2);
    assert_eq!(shown["signing"], made["signing"]);
    assert_eq!(shown["keys"][0]["signs_until"], shown["keys"][1]["signs_from"]);
    let text = std::fs::read_to_string(&file).unwrap();
    for key in serde_json::from_str::<Value>(&text).unwrap()["keys"]
        .as_array()
        .unwrap()
    {
        assert!(!shown.to_string().contains(key["private"].as_str().unwrap()));
    }
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for command in ["show", "rotate"] {
        let open = of(command, &[]);
        assert_eq!(open.code, 1);
        assert!(open.err.contains("others can read"), "{}", open.err);
    }
}
