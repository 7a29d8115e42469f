//! Limits, end to end: what is counted, who is raised by it, and who is refused. INVARIANT i20.

use std::time::Duration;

use countersign::domain::ids::Timestamp;
use serde_json::{Value, json};

use crate::world::{REPO, Setup, World, merge_commit, note, payment, story_with};

const SENSITIVE: &str = "    sensitive: [params.iban]";
const GRAVE: &str = "    impact: high\n    data: [financial]";
/// Without its limits and conditions a payment needs one approval.
const MILD: &str = "    impact: moderate\n    data: [financial]";
const NOTED: &str = "    checks: [text]              # refuses hidden and misleading characters";
const CAMPAIGNER: &str = "actions: [campaigns.send, crm.note]";
const PAYER: &str = "actions: [campaigns.send, crm.note, payments.create]";

/// Both paying agents of one sponsor.
const ERIN_S: &str = "    sponsor: erin\n    account: { login: \"campaign-agent[bot]\"";
const CAROL_S: &str = "    sponsor: carol\n    account: { login: \"campaign-agent[bot]\"";

/// Payments of medium tier with these limits, which two agents may make.
fn payments(limits: &'static str) -> Setup {
    Setup {
        edits: vec![
            ("catalog.yaml", GRAVE, MILD),
            ("catalog.yaml", SENSITIVE, limits),
            ("agents.yaml", CAMPAIGNER, PAYER),
        ],
        ..Setup::default()
    }
}

/// Notes, which run at once, with these limits.
fn notes(limits: &'static str) -> Setup {
    Setup {
        edits: vec![("catalog.yaml", NOTED, limits)],
        ..Setup::default()
    }
}

/// A payment of so much to a supplier.
fn pay(minor: i64, supplier: &str) -> Value {
    let mut body = payment();
    body["parameters"] = parameters(minor, supplier);
    body
}

fn parameters(minor: i64, supplier: &str) -> Value {
    json!({ "supplier_id": supplier, "amount": { "minor": minor, "currency": "EUR" }, "reference": "INV-1" })
}

/// The assessment that the ledger holds of a proposal.
fn assessment(world: &World, id: &Value) -> Value {
    let entries = world.entries();
    let received = entries
        .iter()
        .find(|entry| entry["kind"] == "received" && entry["proposal"] == *id);
    received.unwrap()["body"]["assessment"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_the_21st_note_in_an_hour_is_refused() {
    let setup = notes("    limits: [{ rate: 20, per: 1h, by: [sponsor] }]\n    checks: [text, limits]");
    story_with(setup, async |world| {
        for n in 0..20 {
            let (status, answer) = world.propose("support-agent", note()).await;
            assert_eq!(status, 201, "{n}: {answer:#}");
        }
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 429, "{answer:#}");
        assert_eq!(answer["type"], "urn:countersign:problem:over-limit");
        assert_eq!(
            answer["detail"],
            "limit `rate_per_1h_by_sponsor` of 20 in 1h: 20 ran, and this adds 1; ask for less, or again when less \
             of it ran in 1h or waits"
        );
        // The sponsor's other agent is no way around it.
        let (status, _) = world.propose("campaign-agent", note()).await;
        assert_eq!(status, 429);
        world.settle().await;
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 429, "recorded or not, it counts once");
        world.both_later(Duration::from_secs(3_601));
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201, "{answer:#}");
        assert_eq!(world.acted(), (0, 21));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_what_is_asked_at_once_is_counted_one_after_the_other() {
    let setup = notes("    limits: [{ rate: 1, per: 1h, by: [agent] }]\n    checks: [text]");
    story_with(setup, async |world| {
        let ask = || world.propose("support-agent", note());
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        let mut answers = [one.0, two.0, three.0];
        answers.sort_unstable();
        assert_eq!(answers, [201, 429, 429]);
        assert_eq!(world.acted(), (0, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_a_batch_counts_as_its_total() {
    let setup = notes("    limits: [{ rate: 3, per: 1h, by: [agent] }]\n    checks: [text]");
    story_with(setup, async |world| {
        let batch = |count: usize| {
            let mut body = note();
            let parameters = body.as_object_mut().unwrap().remove("parameters").unwrap();
            let items = (0..count).map(|n| json!({"id": format!("n{n}"), "parameters": parameters}));
            body["items"] = items.collect();
            body
        };
        let (status, answer) = world.propose("support-agent", batch(4)).await;
        assert_eq!(status, 429, "{answer:#}");
        let (status, answer) = world.propose("support-agent", batch(2)).await;
        assert_eq!(status, 201, "{answer:#}");
        let (status, _) = world.propose("support-agent", batch(2)).await;
        assert_eq!(status, 429);
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_many_small_payments_to_one_supplier_need_the_high_gate() {
    let setup = payments(
        "    limits:\n      - { name: daily, budget: params.amount.minor, max: 500000, currency: EUR, per: 1d, by: [params.supplier_id], over: high }\n    sensitive: [params.iban]",
    );
    story_with(setup, async |world| {
        let mut tiers = Vec::new();
        for n in 0..7 {
            // Two agents with two sponsors: the beneficiary is the same.
            let (agent, sponsor) = [("payments-agent", "carol"), ("campaign-agent", "erin")][n % 2];
            let mut body = pay(100_000, "acme-ltd");
            body["sponsor"] = json!(sponsor);
            let (status, answer) = world.propose(agent, body).await;
            assert_eq!(status, 202, "{answer:#}");
            tiers.push(answer["tier"].as_str().unwrap().to_owned());
        }
        assert_eq!(
            tiers,
            ["medium", "medium", "medium", "medium", "medium", "high", "high"]
        );
        let (_, answer) = world.propose("payments-agent", pay(100_000, "globex")).await;
        assert_eq!(
            answer["tier"], "medium",
            "another supplier has a window of its own"
        );
        world.settle().await;
        let pulls = world.github.pulls(REPO).unwrap();
        let body = pulls
            .iter()
            .filter_map(|pull| pull["body"].as_str())
            .find(|body| body.contains("limit `daily` is over"));
        assert!(body.is_some(), "the approver is told why");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_another_currency_than_the_limit_s_is_high_or_refused() {
    let high = "    limits: [{ budget: params.amount.minor, max: 500000, currency: CHF, per: 1d, by: [agent], over: high }]\n    sensitive: [params.iban]";
    story_with(payments(high), async |world| {
        let (_, answer) = world.propose("payments-agent", pay(1, "acme-ltd")).await;
        assert_eq!(answer["tier"], "high", "{answer:#}");
    })
    .await;
    let deny = "    limits: [{ budget: params.amount.minor, max: 500000, currency: CHF, per: 1d, by: [agent] }]\n    sensitive: [params.iban]";
    story_with(payments(deny), async |world| {
        let (status, answer) = world.propose("payments-agent", pay(1, "acme-ltd")).await;
        assert_eq!(status, 429, "{answer:#}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_others_waiting_raise_and_what_ran_makes_the_next_wait() {
    let mut setup =
        payments("    limits:\n      - { rate: 1, per: 1h, by: [sponsor] }\n    sensitive: [params.iban]");
    setup.edits.push(("agents.yaml", ERIN_S, CAROL_S));
    story_with(setup, async |world| {
        let first = world.open("payments-agent", pay(100, "acme-ltd")).await;
        let second = world.open("campaign-agent", pay(200, "globex")).await;
        assert_eq!(assessment(world, &json!(second.id))["tier"], "high");
        let (status, _) = world.propose("payments-agent", pay(300, "initech")).await;
        assert_eq!(status, 429, "its own waits");
        world.approve("alice", &first).await;
        assert_eq!(world.state(&first).await, "executed");
        world.approve("alice", &second).await;
        world.approve("bob", &second).await;
        assert_eq!(
            world.state(&second).await,
            "open",
            "approved, and its limit has no room"
        );
        assert_eq!(world.acted(), (1, 0));
        let check = world.check(&second);
        assert_eq!(check.conclusion, "action_required", "{}", check.summary);
        assert_eq!(check.title, "Approved, waiting: no room in a limit");
        let started = world.about(&first).into_iter().find(|entry| entry["kind"] == "started").unwrap();
        let started: Timestamp = started["time"].as_str().unwrap().parse().unwrap();
        let frees = started.plus("1h".parse().unwrap()).for_people();
        let says = format!(
            "**Approved, and limit `rate_per_1h_by_sponsor` has no room yet: 1 of 1 ran within 1 hour, and this adds 1. \
             The window frees room at {frees}; Countersign looks again then, while the approvals count. Merged before then, \
             it does not run.**"
        );
        assert!(check.summary.contains(&says), "{}", check.summary);
        let before = world.still().await;
        world.sweep().await;
        assert_eq!(world.still().await, before, "nothing new is said while nothing happens");
        world.both_later(Duration::from_secs(3_601));
        world.sweep().await;
        assert_eq!(world.state(&second).await, "executed");
        assert_eq!(world.acted(), (2, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i15_i17_a_limit_that_is_over_at_the_act_refuses_after_the_merge() {
    let mut setup =
        payments("    limits:\n      - { rate: 1, per: 1h, by: [sponsor] }\n    sensitive: [params.iban]");
    setup.edits.push(("agents.yaml", ERIN_S, CAROL_S));
    setup.edits.push((
        "tiers.yaml",
        "    merge: auto                 # the bot merges once everything holds",
        "    merge: manual",
    ));
    setup.edits.push((
        "tiers.yaml",
        "    merge: auto                 # or manual",
        "    merge: manual               # or manual",
    ));
    story_with(setup, async |world| {
        let first = world.open("payments-agent", pay(100, "acme-ltd")).await;
        let second = world.open("campaign-agent", pay(200, "globex")).await;
        for of in [&first, &second] {
            world.approve("alice", of).await;
            world.approve("bob", of).await;
            assert_eq!(world.check(of).title, "Approved");
        }
        // People release both before anybody looks again.
        let dave = world.person("dave");
        for of in [&first, &second] {
            dave.merge(REPO, of.pull, merge_commit()).unwrap();
        }
        world.settle().await;
        let states = [world.state(&first).await, world.state(&second).await];
        let (ran, second) = match states.iter().position(|state| state == "executed") {
            Some(0) => (first, second),
            _ => (second, first),
        };
        assert_eq!(world.state(&ran).await, "executed");
        assert_eq!(world.state(&second).await, "refused_after_merge");
        assert_eq!(world.acted(), (1, 0));
        let told = world.about(&second);
        let refused = told.last().unwrap()["body"]["reason"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            refused.contains("limit `rate_per_1h_by_sponsor` is over"),
            "{refused}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_every_end_gives_the_reservation_back() {
    let setup =
        payments("    limits:\n      - { rate: 1, per: 1h, by: [agent] }\n    sensitive: [params.iban]");
    story_with(setup, async |world| {
        let denied = world.open("payments-agent", pay(100, "acme-ltd")).await;
        assert_eq!(world.propose("payments-agent", pay(1, "globex")).await.0, 429);
        world.person("alice").close(REPO, denied.pull).unwrap();
        world.settle().await;
        assert_eq!(world.state(&denied).await, "denied");
        let expired = world.open("payments-agent", pay(100, "acme-ltd")).await;
        assert_eq!(world.propose("payments-agent", pay(1, "globex")).await.0, 429);
        world.both_later(Duration::from_secs(4 * 86_400));
        world.sweep().await;
        assert_eq!(world.state(&expired).await, "expired");
        let third = world.open("payments-agent", pay(100, "acme-ltd")).await;
        world.approve("alice", &third).await;
        assert_eq!(world.state(&third).await, "executed");
        assert_eq!(
            world.propose("payments-agent", pay(1, "globex")).await.0,
            429,
            "what ran stays counted"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_conditions_raise_and_say_why() {
    let setup = payments(
        "    escalate:\n      - { when: \"params.amount.minor >= 1000000\", to: high, because: 10000 or more }\n      - { when: \"affected.count > 100\", to: high, because: many are touched }\n      - { when: \"claimed.urgent == true\", to: high, because: the agent says it is urgent }\n    sensitive: [params.iban]",
    );
    story_with(setup, async |world| {
        let small = world.open("payments-agent", pay(100, "acme-ltd")).await;
        assert_eq!(assessment(world, &json!(small.id))["tier"], "medium");
        let large = world.open("payments-agent", pay(1_000_000, "acme-ltd")).await;
        let found = assessment(world, &json!(large.id));
        assert_eq!(found["tier"], "high");
        assert_eq!(found["reasons"][1]["because"], json!({"escalated": 1}));
        let pull = world.github.pull(REPO, large.pull).unwrap();
        assert!(
            pull["body"].as_str().unwrap().contains("10000 or more"),
            "{pull:#}"
        );
        let mut urgent = pay(100, "acme-ltd");
        urgent["claimed"] = json!({"urgent": true});
        let urgent = world.open("payments-agent", urgent).await;
        let found = assessment(world, &json!(urgent.id));
        assert_eq!(found["reasons"][1]["because"], json!({"claimed": 3}));
        // Claiming less than was asked about is no way down.
        let mut calm = pay(1_000_000, "acme-ltd");
        calm["claimed"] = json!({"urgent": false, "amount": 1});
        let calm = world.open("payments-agent", calm).await;
        assert_eq!(assessment(world, &json!(calm.id))["tier"], "high");
        world.approve("alice", &small).await;
        assert_eq!(world.state(&small).await, "executed");
        world.approve("alice", &large).await;
        assert_eq!(world.state(&large).await, "open", "one approval is not enough");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_a_condition_without_an_answer_never_opens() {
    let setup = payments(
        "    escalate:\n      - { when: \"change.before.frozen == true\", to: medium, because: frozen }\n    sensitive: [params.iban]",
    );
    story_with(setup, async |world| {
        let payment = world.open("payments-agent", pay(100, "acme-ltd")).await;
        let found = assessment(world, &json!(payment.id));
        assert_eq!(found["tier"], "high");
        assert!(
            found["reasons"][1]["because"]["errored"]["why"].is_string(),
            "{found:#}"
        );
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}
