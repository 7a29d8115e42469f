//! The webhook door: GitHub's own examples and every way to forge them, and deliveries that are lost, doubled or late.
//! INVARIANT i24.

use std::collections::BTreeSet;

use countersign::{
    github::{Hint, parse},
    sandbox::{DeliveryFault, Failure, Fault},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    contract::packages,
    world::{Opened, REPO, World, fresh, merge_commit, story},
};

/// As GitHub makes `X-Hub-Signature-256`.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Posts as GitHub would; `signed` is the signature header, when there is one.
async fn post(world: &World, event: &str, body: &[u8], signed: Option<&str>) -> (u16, Value) {
    let delivery = format!("d-{}", fresh().replace('_', "-"));
    let mut headers = vec![
        ("x-github-event".to_owned(), event.to_owned()),
        ("x-github-delivery".to_owned(), delivery),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    if let Some(signed) = signed {
        headers.push(("x-hub-signature-256".to_owned(), signed.to_owned()));
    }
    world
        .raw("POST", "/webhooks/github", &headers, body.to_vec())
        .await
}

async fn post_signed(world: &World, event: &str, body: &[u8]) -> (u16, Value) {
    let signed = signature(&world.app.webhook_secret, body);
    post(world, event, body, Some(&signed)).await
}

/// Every example of `@octokit/webhooks-examples`: event and payload. `None` on a machine without npm.
fn examples() -> Option<Vec<(String, Value)>> {
    let file = packages()?.join("node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let events: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let all = events.iter().flat_map(|event| {
        let name = event["name"].as_str().unwrap();
        let examples = event["examples"].as_array().unwrap();
        examples
            .iter()
            .map(move |example| (name.to_owned(), example.clone()))
    });
    Some(all.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_github_s_is_taken_in_without_effect() {
    let Some(examples) = examples() else { return };
    assert!(examples.len() >= 329, "only {} examples", examples.len());
    story(async |world| {
        let before = world.still().await;
        for (event, payload) in &examples {
            let (status, answer) = post_signed(world, event, payload.to_string().as_bytes()).await;
            assert_eq!(status, 202, "{event} {}: {answer}", payload["action"]);
        }
        world.settle().await;
        assert_eq!(world.still().await, before);
    })
    .await;
}

/// What is stored is what was heard: a hint is worked on after it was written and read again.
#[test]
fn every_hint_reads_back_as_it_was_stored() {
    let Some(examples) = examples() else { return };
    let mut kinds = BTreeSet::new();
    for (event, mut payload) in examples {
        if event == "issue_comment" {
            // The examples are about issues, and hold no command.
            payload["issue"]["pull_request"] = json!({});
            payload["comment"]["body"] = json!("/delegate @bob");
        }
        let hint = parse(&event, "d-1".parse().unwrap(), payload.to_string().as_bytes()).unwrap();
        let stored = serde_json::to_string(&hint).unwrap();
        assert_eq!(serde_json::from_str::<Hint>(&stored).unwrap(), hint, "{stored}");
        kinds.insert(stored.split('"').nth(1).unwrap().to_owned());
    }
    let known = [
        "CheckRerequested",
        "Comment",
        "MergeGroup",
        "Nothing",
        "Protection",
        "Pull",
        "Push",
        "Review",
        "Run",
    ];
    assert_eq!(kinds, known.map(ToOwned::to_owned).into());
}

/// The examples as if they were about this repository, whose only pull request is a proposal's.
#[tokio::test(flavor = "multi_thread")]
async fn i06_examples_about_our_own_pull_request_open_no_gate() {
    let Some(examples) = examples() else { return };
    story(async |world| {
        let campaign = world.campaign().await;
        world.github.forget_requests();
        for (event, mut payload) in examples {
            if payload["repository"].is_object() {
                payload["repository"]["full_name"] = json!(REPO);
            }
            if payload["pull_request"].is_object() {
                payload["pull_request"]["number"] = json!(campaign.pull);
            }
            let (status, answer) = post_signed(world, &event, payload.to_string().as_bytes()).await;
            assert_eq!(status, 202, "{event} {}: {answer}", payload["action"]);
        }
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "open");
        assert_eq!(world.acted(), (0, 0));
        assert!(world.check(&campaign).conclusion == "action_required");
    })
    .await;
}

/// Whoever has the secret can still not approve: the review must be on GitHub too.
#[tokio::test(flavor = "multi_thread")]
async fn i06_a_signed_event_of_a_review_that_is_not_there_approves_nothing() {
    story(async |world| {
        let campaign = world.campaign().await;
        let pull = world.github.pull(REPO, campaign.pull).unwrap();
        let payload = json!({
            "action": "submitted",
            "repository": { "full_name": REPO },
            "pull_request": pull,
            "review": {
                "id": 4_711, "state": "approved", "commit_id": pull["head"]["sha"],
                "submitted_at": "2026-01-01T00:00:00Z",
                "user": { "id": world.github.user_id("dave").unwrap(), "login": "dave", "type": "User" },
            },
            "sender": { "id": world.github.user_id("dave").unwrap(), "login": "dave", "type": "User" },
        });
        let (status, _) = post_signed(world, "pull_request_review", payload.to_string().as_bytes()).await;
        assert_eq!(status, 202);
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "open");
        assert_eq!(world.check(&campaign).conclusion, "action_required");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_no_example_is_taken_in_with_a_signature_that_does_not_hold() {
    let Some(examples) = examples() else { return };
    story(async |world| {
        let before = world.still().await;
        let secret = world.app.webhook_secret.clone();
        for (event, payload) in &examples {
            let body = payload.to_string().into_bytes();
            let (status, answer) = post(world, event, &body, Some(&signature("another secret", &body))).await;
            assert_eq!(status, 401, "{event}: {answer}");
        }
        let (event, payload) = &examples[0];
        let body = payload.to_string().into_bytes();
        let good = signature(&secret, &body);
        let digits = good.strip_prefix("sha256=").unwrap().to_owned();
        let mut changed = body.clone();
        let last = changed.len() - 1;
        changed[last] = b' ';
        let mut longer = body.clone();
        longer.push(b'\n');
        let forged: Vec<(&str, &[u8], Option<String>)> = vec![
            ("none", &body, None),
            ("empty", &body, Some(String::new())),
            ("of sha1", &body, Some(format!("sha1={digits}"))),
            ("without its name", &body, Some(digits.clone())),
            ("truncated", &body, Some(good[..good.len() - 2].to_owned())),
            (
                "half a byte short",
                &body,
                Some(good[..good.len() - 1].to_owned()),
            ),
            ("too long", &body, Some(format!("{good}00"))),
            ("no digits", &body, Some("sha256=".to_owned())),
            ("not hex", &body, Some(format!("sha256={}", "zz".repeat(32)))),
            ("all zeros", &body, Some(format!("sha256={}", "00".repeat(32)))),
            ("one digit off", &body, Some(one_digit_off(&good))),
            ("of another body", &changed, Some(good.clone())),
            ("of a shorter body", &longer, Some(good.clone())),
            ("of an empty body", b"", Some(good.clone())),
            ("of an empty secret", &body, Some(signature("", &body))),
        ];
        for (what, body, signed) in forged {
            let (status, answer) = post(world, event, body, signed.as_deref()).await;
            assert_eq!(status, 401, "a signature {what}: {answer}");
        }
        let (status, _) = post(world, event, &body, Some(&good)).await;
        assert_eq!(status, 202, "the signature they were made from is good");
        world.settle().await;
        assert_eq!(world.still().await, before);
    })
    .await;
}

fn one_digit_off(good: &str) -> String {
    let (start, last) = good.split_at(good.len() - 1);
    format!("{start}{}", if last == "0" { "1" } else { "0" })
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_body_over_25_mb_is_refused() {
    story(async |world| {
        let limit = 25 * 1024 * 1024;
        let body = |length: usize| {
            let mut body = br#"{"action":"x","padding":""#.to_vec();
            body.resize(length - 2, b'a');
            body.extend(b"\"}");
            body
        };
        let (status, answer) = post_signed(world, "issues", &body(limit)).await;
        assert_eq!(status, 202, "{answer}");
        let (status, answer) = post_signed(world, "issues", &body(limit + 1)).await;
        assert_eq!(status, 413);
        assert_eq!(answer["type"], "urn:countersign:problem:too-large", "{answer}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_taken_in_and_what_can_t_be_read_is_named() {
    story(async |world| {
        let before = world.still().await;
        let ours = json!({ "full_name": REPO });
        for (event, payload) in [
            (
                "never_heard_of",
                json!({ "action": "submitted", "repository": ours }),
            ),
            (
                "pull_request",
                json!({ "action": "never_heard_of", "repository": ours }),
            ),
            (
                "pull_request_review",
                json!({ "action": "never_heard_of", "repository": ours }),
            ),
            ("pull_request", json!({ "repository": ours })),
            ("pull_request", json!({})),
            ("ping", json!({ "zen": "Design for failure." })),
            (
                "push",
                json!({ "ref": "refs/tags/v1", "after": "0".repeat(40), "repository": ours }),
            ),
        ] {
            let (status, answer) = post_signed(world, event, payload.to_string().as_bytes()).await;
            assert_eq!(status, 202, "{event} {payload}: {answer}");
        }
        for body in [
            "",
            "{",
            "[]",
            "nonsense",
            "{\"action\":}",
            "\u{0}",
            "{\"action\":7}",
        ] {
            let (status, answer) = post_signed(world, "pull_request", body.as_bytes()).await;
            assert_eq!(status, 400, "{body:?}: {answer}");
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.contains("`pull_request`"), "{detail}");
        }
        let (status, answer) = post_signed(
            world,
            "pull_request",
            json!({ "action": "opened", "repository": ours, "pull_request": { "number": "seven" } })
                .to_string()
                .as_bytes(),
        )
        .await;
        assert_eq!(status, 400, "{answer}");
        insta::assert_snapshot!(answer["detail"].as_str().unwrap(), @r#"the payload of `pull_request` can't be read: invalid type: string "seven", expected u64 at line 1 column 51"#);
        let (status, _) = post_signed(world, "pull_request", b"\xff\xfe").await;
        assert_eq!(status, 400);
        world.settle().await;
        assert_eq!(world.still().await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_github_always_sends_are_asked_for() {
    story(async |world| {
        let body = b"{}";
        let good = (
            "x-hub-signature-256".to_owned(),
            signature(&world.app.webhook_secret, body),
        );
        let event = ("x-github-event".to_owned(), "ping".to_owned());
        let delivery = |id: &str| ("x-github-delivery".to_owned(), id.to_owned());
        for (headers, expected) in [
            (vec![good.clone(), event.clone()], 400),
            (vec![good.clone(), event.clone(), delivery("not a/delivery")], 400),
            (vec![good.clone(), delivery("d-1")], 400),
            (vec![good.clone(), event.clone(), delivery("d-1")], 202),
        ] {
            let (status, answer) = world
                .raw("POST", "/webhooks/github", &headers, body.to_vec())
                .await;
            assert_eq!(status, expected, "{headers:?}: {answer}");
        }
        let (status, _) = world.raw("GET", "/webhooks/github", &[], Vec::new()).await;
        assert_eq!(status, 405);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_of_another_repository_has_no_effect() {
    story(async |world| {
        let campaign = world.campaign().await;
        world.settle().await;
        let before = world.still().await;
        let reads = world.github.requests().len();
        let mut pull = world.github.pull(REPO, campaign.pull).unwrap();
        for other in ["acme/other", "evil/approvals", "acme/approvals-2"] {
            pull["base"]["repo"]["full_name"] = json!(other);
            let repository = json!({ "full_name": other });
            for (event, payload) in [
                (
                    "pull_request",
                    json!({ "action": "closed", "repository": repository, "pull_request": pull }),
                ),
                (
                    "push",
                    json!({ "ref": "refs/heads/main", "after": "0".repeat(40), "repository": repository }),
                ),
                (
                    "repository_ruleset",
                    json!({ "action": "edited", "repository": repository }),
                ),
            ] {
                let (status, answer) = post_signed(world, event, payload.to_string().as_bytes()).await;
                assert_eq!(status, 202, "{event}: {answer}");
            }
        }
        world.settle().await;
        assert_eq!(world.still().await, before);
        assert_eq!(world.github.requests().len(), reads, "not even a look");
    })
    .await;
}

/// GitHub keeps the case of a repository's name and takes any; the operator may have typed another.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_s_name_is_ours_whatever_its_case() {
    story(async |world| {
        let campaign = world.campaign().await;
        world.github.webhook_fault(None, DeliveryFault::Lose, 1_000);
        world.person("dave").approve(REPO, campaign.pull).unwrap();
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "open");
        let pull = world.github.pull(REPO, campaign.pull).unwrap();
        let payload = json!({
            "action": "edited", "repository": { "full_name": "Acme/Approvals" }, "pull_request": pull,
        });
        let (status, _) = post_signed(world, "pull_request", payload.to_string().as_bytes()).await;
        assert_eq!(status, 202);
        world.settle().await;
        world.github.release_webhooks();
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "executed");
    })
    .await;
}

/// A pull request that is not there any more is no reason to try again and again.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_pull_request_that_is_gone_costs_one_look() {
    story(async |world| {
        let campaign = world.campaign().await;
        let mut pull = world.github.pull(REPO, campaign.pull).unwrap();
        pull["number"] = json!(9_999);
        world.github.forget_requests();
        let payload =
            json!({ "action": "opened", "repository": { "full_name": REPO }, "pull_request": pull });
        let (status, _) = post_signed(world, "pull_request", payload.to_string().as_bytes()).await;
        assert_eq!(status, 202);
        world.settle().await;
        let looks = world.github.requests();
        let looks = looks
            .iter()
            .filter(|one| one.path.ends_with("/pulls/9999"))
            .count();
        assert_eq!(looks, 1);
    })
    .await;
}

/// What a story came to: everything that must not depend on how its webhooks travelled.
#[derive(Debug, PartialEq, Eq)]
struct End {
    states: Vec<String>,
    conclusions: Vec<String>,
    kinds: Vec<Vec<String>>,
    acted: (usize, usize),
    pulls: usize,
}

async fn end(world: &World, opened: &[&Opened]) -> End {
    let (mut states, mut conclusions, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for one in opened {
        states.push(world.state(one).await);
        conclusions.push(world.check(one).conclusion);
        // How often a verdict was looked at may differ; what happened may not.
        let mut happened = world.kinds(one);
        happened.retain(|kind| kind != "observed");
        kinds.push(happened);
    }
    End {
        states,
        conclusions,
        kinds,
        acted: world.acted(),
        pulls: world.github.pulls(REPO).unwrap().len(),
    }
}

/// One proposal approved by two, one denied by closing it, one approved and then taken back.
async fn three_ways(world: &mut World, fault: Option<DeliveryFault>, reversed: bool) -> End {
    let payment = world.payment().await;
    let denied = world.campaign().await;
    let dismissed = world.campaign().await;
    if let Some(fault) = fault {
        world.github.webhook_fault(None, fault, 1_000);
    }
    world.person("alice").approve(REPO, payment.pull).unwrap();
    world.person("bob").approve(REPO, payment.pull).unwrap();
    world
        .person("dave")
        .request_changes(REPO, dismissed.pull, "No.")
        .unwrap();
    let review = world.person("mallory").approve(REPO, dismissed.pull).unwrap();
    world
        .person("root")
        .dismiss(REPO, dismissed.pull, review, "not an owner")
        .unwrap();
    world.person("dave").close(REPO, denied.pull).unwrap();
    world.settle().await;
    if reversed {
        world.github.release_webhooks_reversed();
    } else {
        world.github.release_webhooks();
    }
    world.settle().await;
    world.bot.sweep().await;
    world.settle().await;
    end(world, &[&payment, &denied, &dismissed]).await
}

async fn orderly() -> End {
    let mut end = None;
    story(async |world| end = Some(three_ways(world, None, false).await)).await;
    end.unwrap()
}

async fn travelled(fault: DeliveryFault, reversed: bool) -> End {
    let mut end = None;
    story(async |world| end = Some(three_ways(world, Some(fault), reversed).await)).await;
    end.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_orderly_deliveries_end_as_they_should() {
    let end = orderly().await;
    assert_eq!(end.states, ["executed", "denied", "open"]);
    assert_eq!(end.conclusions, ["success", "failure", "failure"]);
    assert_eq!(end.acted, (1, 0));
    assert_eq!(
        end.kinds[0],
        [
            "received", "opened", "reviewed", "reviewed", "merged", "started", "finished"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_doubled_deliveries_end_as_orderly_ones() {
    assert_eq!(travelled(DeliveryFault::Duplicate, false).await, orderly().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_delayed_deliveries_end_as_orderly_ones() {
    assert_eq!(travelled(DeliveryFault::Hold, false).await, orderly().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_reordered_deliveries_end_as_orderly_ones() {
    let (late, orderly) = (travelled(DeliveryFault::Hold, true).await, orderly().await);
    assert_eq!(
        (late.states, late.conclusions),
        (orderly.states, orderly.conclusions)
    );
    assert_eq!((late.acted, late.pulls), (orderly.acted, orderly.pulls));
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_lost_deliveries_end_as_orderly_ones() {
    let (lost, orderly) = (travelled(DeliveryFault::Lose, false).await, orderly().await);
    assert_eq!(
        (lost.states, lost.conclusions),
        (orderly.states, orderly.conclusions)
    );
    assert_eq!((lost.acted, lost.pulls), (orderly.acted, orderly.pulls));
}

/// An approval that is heard of after the merge it led to, or after the end, changes nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn i24_an_event_that_comes_after_the_end_changes_nothing() {
    story(async |world| {
        let campaign = world.campaign().await;
        world
            .github
            .webhook_fault(Some("pull_request_review"), DeliveryFault::Hold, 1);
        world.person("dave").approve(REPO, campaign.pull).unwrap();
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "open");
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "executed");
        let before = world.still().await;
        world.github.release_webhooks();
        world.settle().await;
        assert_eq!(world.still().await, before);
        assert_eq!(world.acted(), (0, 1));
    })
    .await;
}

/// A merge around the gate whose webhook is lost is still found, and still never executes.
#[tokio::test(flavor = "multi_thread")]
async fn i24_a_lost_merge_is_found_by_the_sweep() {
    story(async |world| {
        let payment = world.payment().await;
        world.github.webhook_fault(None, DeliveryFault::Lose, 1_000);
        world
            .person("root")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "open");
        world.github.release_webhooks();
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(world.state(&payment).await, "bypassed");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

/// The door answers at once, whatever GitHub does meanwhile; the work is done when it can be.
#[tokio::test(flavor = "multi_thread")]
async fn the_door_answers_while_github_does_not() {
    story(async |world| {
        let campaign = world.campaign().await;
        world.github.fault(Fault {
            method: Some("GET".into()),
            path: "/repos/*".into(),
            failure: Failure::Before { status: 503 },
            times: 3,
        });
        world.approve("dave", &campaign).await;
        let answered = world.github.deliveries();
        assert!(
            answered.iter().all(|(_, _, status)| *status == 202),
            "{answered:?}"
        );
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "executed");
    })
    .await;
}
