//! The agents' door: who is let in, what they see, what they can never do. INVARIANT i02, i04, i24.

use std::time::Duration;

use countersign::{
    domain::{
        door::{AGENT, NONCE, SIGNATURE, TIMESTAMP},
        ids::{Nonce, Timestamp},
    },
    sandbox::{Failure, Fault},
    service::router,
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::{REPO, Setup, World, campaign, fresh, note, payment, story, story_with};

const PROPOSALS: &str = "/api/v1/proposals";
const SECRET: &str = "a shared secret of the support agent";

type Headers = Vec<(String, String)>;

fn with(mut headers: Headers, name: &str, value: &str) -> Headers {
    headers.retain(|(known, _)| known != name);
    headers.push((name.to_owned(), value.to_owned()));
    headers
}

fn without(mut headers: Headers, name: &str) -> Headers {
    headers.retain(|(known, _)| known != name);
    headers
}

fn json_kind(headers: Headers) -> Headers {
    with(headers, "content-type", "application/json")
}

async fn post(world: &World, headers: Headers, body: &[u8]) -> (u16, Value) {
    world
        .raw("POST", PROPOSALS, &json_kind(headers), body.to_vec())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_only_an_agent_s_own_fresh_signature_opens_the_door() {
    story(async |world| {
        let request = world
            .request("payments-agent", payment())
            .to_string()
            .into_bytes();
        let good = world.signed("payments-agent", "POST", PROPOSALS, &request);
        let other = world.signed("campaign-agent", "POST", PROPOSALS, &request);
        let theirs = other
            .iter()
            .find(|(name, _)| name == SIGNATURE)
            .unwrap()
            .1
            .clone();
        let mine = good.iter().find(|(name, _)| name == SIGNATURE).unwrap().1.clone();
        let mut longer = request.clone();
        longer.push(b' ');
        let at = |path: &str, method: &str| world.signed("payments-agent", method, path, &request);
        let nonce: Nonce = fresh().parse().unwrap();
        let dated = |millis: i64| {
            let at = Timestamp::from_millis(world.time().millis() + millis);
            world.signed_at("payments-agent", "POST", PROPOSALS, &request, at, &nonce)
        };
        let before = world.still();
        let shut: Vec<(&str, Headers, &[u8])> = vec![
            ("no headers", Vec::new(), &request),
            ("no agent", without(good.clone(), AGENT), &request),
            ("no time", without(good.clone(), TIMESTAMP), &request),
            ("no nonce", without(good.clone(), NONCE), &request),
            ("no signature", without(good.clone(), SIGNATURE), &request),
            (
                "an agent that is not known",
                with(good.clone(), AGENT, "nobody-agent"),
                &request,
            ),
            (
                "an agent that is no name",
                with(good.clone(), AGENT, "../payments-agent"),
                &request,
            ),
            (
                "another agent's name",
                with(good.clone(), AGENT, "campaign-agent"),
                &request,
            ),
            (
                "another agent's key",
                with(good.clone(), SIGNATURE, &theirs),
                &request,
            ),
            (
                "no version",
                with(good.clone(), SIGNATURE, mine.trim_start_matches("v1=")),
                &request,
            ),
            (
                "half a signature",
                with(good.clone(), SIGNATURE, &mine[..40]),
                &request,
            ),
            ("a nonce changed", with(good.clone(), NONCE, &fresh()), &request),
            ("a nonce too short", with(good.clone(), NONCE, "short"), &request),
            (
                "a time changed",
                with(good.clone(), TIMESTAMP, "2026-01-01T00:00:00Z"),
                &request,
            ),
            (
                "no time at all",
                with(good.clone(), TIMESTAMP, "yesterday"),
                &request,
            ),
            ("a body changed", good.clone(), &longer),
            ("an empty body", good.clone(), b""),
            (
                "signed for another path",
                at("/api/v1/proposals?dry_run=true", "POST"),
                &request,
            ),
            ("signed for another method", at(PROPOSALS, "GET"), &request),
            ("signed six minutes ago", dated(-360_000), &request),
            ("signed in six minutes", dated(360_000), &request),
            (
                "signed in the year 9999",
                {
                    let far: Timestamp = "9999-01-01T00:00:00Z".parse().unwrap();
                    world.signed_at("payments-agent", "POST", PROPOSALS, &request, far, &nonce)
                },
                &request,
            ),
        ];
        for (what, headers, body) in shut {
            let (status, answer) = post(world, headers, body).await;
            assert_eq!(status, 401, "{what}: {answer}");
            assert_eq!(answer["type"], "urn:countersign:problem:unauthorised", "{what}");
        }
        assert_eq!(world.still(), before);
        // What was shut out did not use up the nonce, and four minutes of skew are none.
        let (status, answer) = post(world, dated(-240_000), &request).await;
        assert_eq!(status, 202, "{answer}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_nonce_is_let_in_once_even_after_a_restart() {
    story(async |world| {
        let path = format!("{PROPOSALS}?dry_run=true");
        let body = world
            .request("payments-agent", payment())
            .to_string()
            .into_bytes();
        let headers = json_kind(world.signed("payments-agent", "POST", &path, &body));
        let (first, answer) = world.raw("POST", &path, &headers, body.clone()).await;
        assert_eq!(first, 200, "{answer}");
        let (again, answer) = world.raw("POST", &path, &headers, body.clone()).await;
        assert_eq!(again, 401, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("nonce"), "{answer}");
        world.restart().await;
        let (after, answer) = world.raw("POST", &path, &headers, body).await;
        assert_eq!(after, 401, "{answer}");
    })
    .await;
}

/// Strangers must not be able to make the bot ask GitHub for anything.
#[tokio::test(flavor = "multi_thread")]
async fn i24_a_stranger_s_request_costs_no_call() {
    story(async |world| {
        for path in ["/acme/approvals.git/*", "/repos/*"] {
            world.github.fault(Fault {
                method: None,
                path: path.to_owned(),
                failure: Failure::Before { status: 503 },
                times: 1_000,
            });
        }
        let body = world
            .request("payments-agent", payment())
            .to_string()
            .into_bytes();
        let stranger = with(
            world.signed("payments-agent", "POST", PROPOSALS, &body),
            SIGNATURE,
            "v1=AAAA",
        );
        let reads = world.github.requests().len();
        let (status, answer) = post(world, stranger, &body).await;
        assert_eq!(status, 401, "{answer}");
        assert_eq!(world.github.requests().len(), reads);
        // An agent is told to come back.
        let (status, answer) = post(
            world,
            world.signed("payments-agent", "POST", PROPOSALS, &body),
            &body,
        )
        .await;
        assert_eq!(status, 503, "{answer}");
        assert_eq!(answer["type"], "urn:countersign:problem:unavailable");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_a_proposal_carries_its_agent_s_own_signature() {
    story(async |world| {
        let before = world.still();
        let signed = world.request("payments-agent", payment());
        let mut unsigned = signed.clone();
        unsigned.as_object_mut().unwrap().remove("signature");
        let mut raised = signed.clone();
        raised["parameters"]["amount"]["minor"] = json!(9_999_999);
        let mut later = signed.clone();
        later["expires_at"] = json!("2100-01-01T00:00:00Z");
        let mut foreign = signed.clone();
        foreign["signature"] = world.request("campaign-agent", payment())["signature"].clone();
        let mut garbled = signed.clone();
        garbled["signature"] = json!("not base64!");
        for (what, request) in [
            ("unsigned", unsigned),
            ("raised", raised),
            ("made to last", later),
            ("signed by another agent", foreign),
            ("garbled", garbled),
        ] {
            let body = request.to_string().into_bytes();
            let (status, answer) = post(
                world,
                world.signed("payments-agent", "POST", PROPOSALS, &body),
                &body,
            )
            .await;
            assert_eq!(status, 422, "{what}: {answer}");
            assert_eq!(answer["errors"][0]["field"], "/signature", "{what}: {answer}");
        }
        assert_eq!(world.still(), before);
        let body = signed.to_string().into_bytes();
        let (status, answer) = post(
            world,
            world.signed("payments-agent", "POST", PROPOSALS, &body),
            &body,
        )
        .await;
        assert_eq!(status, 202, "{answer}");
    })
    .await;
}

fn with_secret() -> Setup {
    Setup {
        secrets: vec![
            ("support-agent", SECRET),
            ("campaign-agent", "another secret, of campaigns"),
        ],
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_an_agent_with_a_shared_secret_is_marked_gate_attested() {
    story_with(with_secret(), async |world| {
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201, "{answer:#}");
        let campaign = world.campaign().await;
        let received = world
            .entries()
            .into_iter()
            .find(|entry| entry["kind"] == "received" && entry["proposal"] == json!(campaign.id))
            .unwrap();
        let shown = received.to_string();
        assert!(shown.contains(r#""gate_attested""#), "{shown}");
        let pull = world.github.pull(REPO, campaign.pull).unwrap();
        let report = pull["body"].as_str().unwrap();
        assert!(report.contains("gate-attested"), "{report}");
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "executed");
        assert_eq!(world.acted(), (0, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_wrong_secret_does_not_open_the_door() {
    story_with(with_secret(), async |world| {
        let before = world.still();
        let body = world.request("support-agent", note()).to_string().into_bytes();
        let good = world.signed("support-agent", "POST", PROPOSALS, &body);
        let other = world.signed("campaign-agent", "POST", PROPOSALS, &body);
        let theirs = other
            .iter()
            .find(|(name, _)| name == SIGNATURE)
            .unwrap()
            .1
            .clone();
        for (what, headers) in [
            ("another agent's secret", with(good.clone(), SIGNATURE, &theirs)),
            ("nothing", with(good.clone(), SIGNATURE, "v1=")),
            (
                "another agent's name",
                with(good.clone(), AGENT, "campaign-agent"),
            ),
            (
                "the name of an agent with a key",
                with(good.clone(), AGENT, "payments-agent"),
            ),
        ] {
            let (status, answer) = post(world, headers, &body).await;
            assert_eq!(status, 401, "{what}: {answer}");
        }
        let mut signed = world.request("support-agent", note());
        signed["signature"] = json!("AAAA");
        let body = signed.to_string().into_bytes();
        let (status, answer) = post(
            world,
            world.signed("support-agent", "POST", PROPOSALS, &body),
            &body,
        )
        .await;
        assert_eq!(
            (status, &answer["errors"][0]["field"]),
            (422, &json!("/signature")),
            "{answer}"
        );
        assert_eq!(world.still(), before);
    })
    .await;
}

async fn ask(world: &World, agent: &str, id: &str) -> (u16, Value) {
    let path = format!("{PROPOSALS}/{id}");
    world.send(agent, "GET", &path, "application/json", b"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_an_agent_sees_its_own_proposals_only() {
    story(async |world| {
        let payment = world.payment().await;
        let (status, low) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
        let low = low["id"].as_str().unwrap().to_owned();
        assert_eq!(ask(world, "payments-agent", &payment.id).await.0, 200);
        assert_eq!(ask(world, "support-agent", &low).await.0, 200);
        for (agent, id) in [
            ("campaign-agent", payment.id.as_str()),
            ("support-agent", &payment.id),
            ("payments-agent", &low),
            ("payments-agent", "01JZZZZZZZZZZZZZZZZZZZZZZZ"),
            ("payments-agent", "nonsense"),
            ("payments-agent", "..%2f..%2fetc"),
        ] {
            let (status, answer) = ask(world, agent, id).await;
            assert_eq!(status, 404, "{agent} {id}: {answer}");
            assert_eq!(answer["type"], "urn:countersign:problem:not-found");
        }
        // What is not there and what is not theirs can't be told apart.
        let (_, foreign) = ask(world, "campaign-agent", &payment.id).await;
        let (_, absent) = ask(world, "campaign-agent", "01JZZZZZZZZZZZZZZZZZZZZZZZ").await;
        let blind = |answer: &Value, id: &str| answer["detail"].as_str().unwrap().replace(id, "ID");
        assert_eq!(
            blind(&foreign, &payment.id),
            blind(&absent, "01JZZZZZZZZZZZZZZZZZZZZZZZ")
        );
        world.settle().await;
        // Still so when the ledger holds it and the outbox does not.
        assert_eq!(ask(world, "support-agent", &low).await.0, 200);
        assert_eq!(ask(world, "payments-agent", &low).await.0, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_there_is_no_way_to_approve_or_merge() {
    story(async |world| {
        let payment = world.payment().await;
        world.settle().await;
        let before = world.still();
        for (method, path) in [
            ("POST", "approve"),
            ("POST", "reviews"),
            ("POST", "merge"),
            ("PUT", "merge"),
            ("POST", "execute"),
        ] {
            let path = format!("{PROPOSALS}/{}/{path}", payment.id);
            let (status, answer) = world
                .send("payments-agent", method, &path, "application/json", b"{}")
                .await;
            assert_eq!(status, 404, "{method} {path}: {answer}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let path = format!("{PROPOSALS}/{}", payment.id);
            let (status, answer) = world
                .send("payments-agent", method, &path, "application/json", b"{}")
                .await;
            assert_eq!(status, 405, "{method} {path}: {answer}");
            assert_eq!(answer["type"], "urn:countersign:problem:no-method");
        }
        world.settle().await;
        assert_eq!(world.still(), before);
        assert_eq!(world.state(&payment).await, "open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_the_proposal_moves() {
    story(async |world| {
        let campaign = world.campaign().await;
        world.settle().await;
        let path = format!("{PROPOSALS}/{}?wait=60", campaign.id);
        let (waited, ()) = tokio::join!(
            world.send("campaign-agent", "GET", &path, "application/json", b""),
            async {
                world.person("dave").approve(REPO, campaign.pull).unwrap();
            }
        );
        assert_eq!(waited.0, 200);
        let moved = (waited.1["state"].as_str(), waited.1["gate"].as_str());
        assert_ne!(moved, (Some("open"), Some("waiting")), "{:#}", waited.1);
        world.settle().await;
        // Nothing more can come of it: there is nothing to wait for.
        let (status, ended) = world
            .send("campaign-agent", "GET", &path, "application/json", b"")
            .await;
        assert_eq!(
            (status, &ended["state"], &ended["ended"]),
            (200, &json!("executed"), &json!(true))
        );
        for query in ["wait=soon", "wait=-1", "wiat=3"] {
            let path = format!("{PROPOSALS}/{}?{query}", campaign.id);
            let (status, answer) = world
                .send("campaign-agent", "GET", &path, "application/json", b"")
                .await;
            assert_eq!(
                (status, &answer["type"]),
                (400, &json!("urn:countersign:problem:query")),
                "{answer}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_all_and_records_nothing() {
    story(async |world| {
        let before = world.still();
        let path = format!("{PROPOSALS}?dry_run=true");
        let dry = async |agent: &str, body: Value| {
            let body = world.request(agent, body).to_string().into_bytes();
            world.send(agent, "POST", &path, "application/json", &body).await
        };
        let (status, high) = dry("payments-agent", payment()).await;
        assert_eq!(status, 200, "{high:#}");
        assert_eq!(high["assessment"]["tier"], "high");
        assert!(
            !high["assessment"]["reasons"].as_array().unwrap().is_empty(),
            "{high:#}"
        );
        assert!(
            !high["assessment"]["checks"].as_array().unwrap().is_empty(),
            "{high:#}"
        );
        assert_eq!(high["approvals_needed"], 2);
        assert_eq!(
            high["approvers"],
            json!([{ "resource": "/payments/suppliers/acme-ltd", "owners": ["finance", "treasury"] }]),
        );
        assert_eq!(high["blocked"], false);
        assert!(!high.to_string().contains("DE89370400440532013000"), "{high:#}");
        let (_, medium) = dry("campaign-agent", campaign()).await;
        assert_eq!(
            (&medium["assessment"]["tier"], &medium["approvals_needed"]),
            (&json!("medium"), &json!(1))
        );
        let (_, low) = dry("support-agent", note()).await;
        assert_eq!(
            (&low["assessment"]["tier"], &low["approvals_needed"]),
            (&json!("low"), &json!(0))
        );
        let mut hidden = payment();
        hidden["parameters"]["reference"] = json!("INV\u{202e}811");
        let (status, blocked) = dry("payments-agent", hidden).await;
        assert_eq!((status, &blocked["blocked"]), (200, &json!(true)), "{blocked:#}");
        let mut wrong = payment();
        wrong["parameters"]["amount"]["minor"] = json!(0);
        assert_eq!(dry("payments-agent", wrong).await.0, 422);
        world.settle().await;
        assert_eq!(world.still(), before);
        // It did not use up the request: the same one can now be made.
        let request = world
            .request("payments-agent", payment())
            .to_string()
            .into_bytes();
        let (status, _) = world
            .send("payments-agent", "POST", &path, "application/json", &request)
            .await;
        assert_eq!(status, 200);
        let (status, _) = world
            .send("payments-agent", "POST", PROPOSALS, "application/json", &request)
            .await;
        assert_eq!(status, 202);
    })
    .await;
}

async fn keyed(world: &World, agent: &str, body: Value, key: &str) -> (u16, Value) {
    let body = world.request(agent, body).to_string().into_bytes();
    let headers = with(
        world.signed(agent, "POST", PROPOSALS, &body),
        "idempotency-key",
        key,
    );
    post(world, headers, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_is_one_request() {
    story(async |world| {
        let (status, first) = keyed(world, "payments-agent", payment(), "invoice-118").await;
        assert_eq!(status, 202, "{first}");
        // Made again, with another nonce and other words, in the header or in the body: the same proposal.
        let mut again = payment();
        again["justification"] = json!("Asked again, the answer got lost.");
        let (status, second) = keyed(world, "payments-agent", again.clone(), "invoice-118").await;
        assert_eq!((status, &second["id"]), (200, &first["id"]), "{second}");
        again["idempotency_key"] = json!("invoice-118");
        let (status, third) = world.propose("payments-agent", again.clone()).await;
        assert_eq!((status, &third["id"]), (200, &first["id"]), "{third}");
        let (status, answer) = keyed(world, "payments-agent", again, "invoice-119").await;
        assert_eq!(
            (status, &answer["errors"][0]["field"]),
            (422, &json!("Idempotency-Key")),
            "{answer}"
        );
        for key in ["", "with a space", "é", &"k".repeat(201)] {
            let (status, answer) = keyed(world, "payments-agent", payment(), key).await;
            assert_eq!(
                (status, &answer["errors"][0]["field"]),
                (422, &json!("Idempotency-Key")),
                "{key:?} {answer}"
            );
        }
        // Another request under the same key is a mistake, and is told so: the sealed account number counts too.
        for (field, value) in [
            ("amount", json!({ "minor": 1_250_001, "currency": "EUR" })),
            ("reference", json!("INV-2026-119")),
            ("iban", json!("DE02120300000000202051")),
        ] {
            let mut other = payment();
            other["parameters"][field] = value;
            let (status, answer) = keyed(world, "payments-agent", other, "invoice-118").await;
            assert_eq!(status, 409, "{field}: {answer}");
            assert!(!answer.to_string().contains("DE0"), "{answer}");
        }
        // Another agent's key is another key.
        let (status, _) = keyed(world, "campaign-agent", campaign(), "invoice-118").await;
        assert_eq!(status, 202);
        world.settle().await;
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 2);
        world.restart().await;
        let (status, after) = keyed(world, "payments-agent", payment(), "invoice-118").await;
        assert_eq!((status, &after["id"]), (200, &first["id"]), "{after}");
    })
    .await;
}

/// Eight at once, as a client does that lost patience: one runs, all are told of it.
#[tokio::test(flavor = "multi_thread")]
async fn i16_a_low_tier_request_repeated_at_once_runs_once() {
    story(async |world| {
        let all: Vec<_> = (0..8)
            .map(|_| keyed(world, "support-agent", note(), "ticket-88"))
            .collect();
        let answers = futures::future::join_all(all).await;
        let ids: std::collections::BTreeSet<String> = answers
            .iter()
            .map(|(_, answer)| answer["id"].to_string())
            .collect();
        assert_eq!(ids.len(), 1, "{answers:#?}");
        let made = answers.iter().filter(|(status, _)| *status == 201).count();
        let repeated = answers.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!((made, repeated), (1, 7), "{answers:#?}");
        assert_eq!(world.acted(), (0, 1));
        world.settle().await;
        // Now the ledger answers, and not the outbox.
        assert_eq!(keyed(world, "support-agent", note(), "ticket-88").await.0, 200);
        let mut other = note();
        other["parameters"]["text"] = json!("Something else.");
        assert_eq!(keyed(world, "support-agent", other, "ticket-88").await.0, 409);
        assert_eq!(world.acted(), (0, 1));
    })
    .await;
}

/// A nonce that a low-tier request used counts before the ledger holds it: otherwise the second would run and the
/// ledger would refuse to hold it.
#[tokio::test(flavor = "multi_thread")]
async fn i24_a_proposal_s_nonce_is_used_once_whatever_its_key() {
    story(async |world| {
        let nonce = fresh();
        let body = |key: &str| {
            let mut body = note();
            body["nonce"] = json!(nonce);
            body["idempotency_key"] = json!(key);
            body
        };
        let (status, _) = world.propose("support-agent", body("one")).await;
        assert_eq!(status, 201);
        for when in ["in the outbox", "on the ledger"] {
            let (status, answer) = world.propose("support-agent", body("two")).await;
            assert_eq!(
                (status, &answer["errors"][0]["field"]),
                (422, &json!("/nonce")),
                "{when}: {answer}"
            );
            world.settle().await;
        }
        assert_eq!(world.acted(), (0, 1));
        assert_eq!(world.of_kind("finished").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_an_agent_has_a_hundred_proposals_waiting_at_most() {
    story(async |world| {
        // None is opened, so that they are many quickly; received is received.
        world.github.fault(Fault {
            method: Some("POST".into()),
            path: "/repos/*/pulls".into(),
            failure: Failure::Before { status: 503 },
            times: 1_000,
        });
        for batch in 0..10 {
            let ten = (0..10).map(|_| world.propose("campaign-agent", campaign()));
            for (status, answer) in futures::future::join_all(ten).await {
                assert_eq!(status, 202, "{batch}: {answer}");
            }
        }
        let (status, answer) = world.propose("campaign-agent", campaign()).await;
        assert_eq!(status, 429, "{answer}");
        insta::assert_snapshot!(answer["detail"].as_str().unwrap(), @"agent `campaign-agent` has 100 proposals waiting already; wait for some to end, or cancel some");
        assert_eq!(world.of_kind("received").len(), 100);
        // Others are not held up, and what runs at once waits for nobody.
        assert_eq!(world.propose("support-agent", note()).await.0, 201);
        let mut at_once = note();
        at_once["sponsor"] = json!("erin");
        assert_eq!(world.propose("campaign-agent", at_once).await.0, 201);
        world.settle().await;
        assert_eq!(world.acted(), (0, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_nothing_opens_or_executes_while_the_base_branch_holds_other_rules() {
    story(async |world| {
        let (status, ready) = world.raw("GET", "/readyz", &[], Vec::new()).await;
        assert_eq!((status, &ready["ready"]), (200, &json!(true)), "{ready}");
        let campaign_opened = world.campaign().await;
        let tiers = crate::world::git(
            &world.github.git_dir(REPO).unwrap(),
            &["show", "main:policies/tiers.yaml"],
        );
        let loosened = tiers.replace("sample_review: 5%", "sample_review: 1%");
        assert_ne!(tiers, loosened);
        let push = |world: &World, text: &str| {
            world
                .person("root")
                .push_files(REPO, "main", &[("policies/tiers.yaml", text)], "Loosen", false)
                .unwrap();
        };
        push(world, &loosened);
        world.settle().await;
        let (status, answer) = world.raw("GET", "/readyz", &[], Vec::new()).await;
        assert_eq!(status, 503, "{answer}");
        // The digests differ from run to run.
        let outside = answer["detail"].as_str().unwrap().split(['(', ')']).step_by(2);
        let detail = outside.collect::<Vec<_>>().join("(digest)");
        insta::assert_snapshot!(detail, @"`policies/` on the base branch (digest) is not the policy in force (digest); nothing opens or runs until it is reverted on the base branch or landed through an approved pull request");
        let before = world.still();
        for (agent, body) in [("payments-agent", payment()), ("support-agent", note())] {
            let (status, answer) = world.propose(agent, body).await;
            assert_eq!(status, 503, "{answer}");
        }
        assert_eq!(world.still(), before);
        // What is open is still told of, and is not executed however many approve.
        world.approve("dave", &campaign_opened).await;
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(world.state(&campaign_opened).await, "open");
        assert_eq!(world.acted(), (0, 0));
        push(world, &tiers);
        world.settle().await;
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(world.raw("GET", "/readyz", &[], Vec::new()).await.0, 200);
        assert_eq!(world.state(&campaign_opened).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures_are_told() {
    let handle = crate::world::figures();
    story(async |world| {
        assert_eq!(
            world.raw("GET", "/healthz", &[], Vec::new()).await,
            (200, json!("ok\n"))
        );
        assert_eq!(world.raw("GET", "/metrics", &[], Vec::new()).await.0, 404);
        let (status, answer) = world.raw("GET", "/nowhere", &[], Vec::new()).await;
        assert_eq!(
            (status, &answer["type"]),
            (404, &json!("urn:countersign:problem:no-route"))
        );
        world.campaign().await;
        let request = http::Request::get("/metrics")
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = router(world.bot.clone(), Some(handle))
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        for figure in [
            r#"countersign_webhooks_total{result="accepted"}"#,
            r#"countersign_entries_total{kind="received"}"#,
            r#"countersign_entries_total{kind="opened"}"#,
        ] {
            assert!(text.contains(figure), "{figure} is not in\n{text}");
        }
        assert!(
            !text.contains("acme-ltd") && !text.contains("campaign-agent"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_of_more_than_one_mebibyte_is_refused() {
    story(async |world| {
        let before = world.still();
        let body = vec![b' '; 1024 * 1024 + 1];
        let (status, answer) = post(
            world,
            world.signed("payments-agent", "POST", PROPOSALS, &body),
            &body,
        )
        .await;
        assert_eq!(
            (status, &answer["type"]),
            (413, &json!("urn:countersign:problem:too-large")),
            "{answer}"
        );
        let body = vec![b' '; 1024 * 1024];
        let (status, answer) = post(
            world,
            world.signed("payments-agent", "POST", PROPOSALS, &body),
            &body,
        )
        .await;
        assert_eq!(
            (status, &answer["type"]),
            (400, &json!("urn:countersign:problem:unreadable")),
            "{answer}"
        );
        assert_eq!(world.still(), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_may_be_written_in_yaml() {
    story(async |world| {
        let signed = world.request("payments-agent", payment());
        let yaml = format!(
            "# what is to be paid\noperation: payments.create\nsponsor: carol\nparameters:\n  supplier_id: acme-ltd\n  \
             amount: {{ minor: 1250000, currency: EUR }}\n  reference: INV-2026-118\n  iban: DE89370400440532013000\n\
             nonce: {}\nsignature: {}\njustification: >\n  Invoice INV-2026-118 is due on Friday\n  and matches the delivery.\n",
            signed["nonce"], signed["signature"]
        );
        for kind in ["application/yaml", "text/plain"] {
            let headers = with(
                world.signed("payments-agent", "POST", PROPOSALS, yaml.as_bytes()),
                "content-type",
                kind,
            );
            let (status, answer) = world.raw("POST", PROPOSALS, &headers, yaml.clone().into_bytes()).await;
            let expected = if kind == "application/yaml" { 202 } else { 200 };
            assert_eq!((status, &answer["tier"]), (expected, &json!("high")), "{answer}");
        }
    })
    .await;
}

/// A client that hangs up in the middle leaves neither half a proposal nor a claim that never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_a_whole_proposal() {
    story(async |world| {
        world.github.fault(Fault::once(
            "POST",
            "/repos/*/pulls",
            Failure::Slow {
                by: Duration::from_millis(300),
            },
        ));
        let body = world
            .request("campaign-agent", campaign())
            .to_string()
            .into_bytes();
        let asked = world.send("campaign-agent", "POST", PROPOSALS, "application/json", &body);
        let mut changes = world.bot.changes();
        tokio::select! {
            answer = asked => panic!("answered before it was hung up on: {answer:?}"),
            changed = changes.changed() => changed.unwrap(),
        }
        // It asks again, as clients do, and finds the one that it began.
        let (status, answer) = world
            .send("campaign-agent", "POST", PROPOSALS, "application/json", &body)
            .await;
        assert_eq!(status, 200, "{answer}");
        world.settle().await;
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 1);
        let told = world
            .status("campaign-agent", answer["id"].as_str().unwrap())
            .await;
        assert_eq!(told["state"], "open", "{told}");
    })
    .await;
}
