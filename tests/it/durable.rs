//! What was acknowledged is worked on, whatever happens to the process, and by one worker only. INVARIANT i24.

use std::{collections::BTreeSet, time::Duration};

use countersign::{
    domain::{entry::Via, proposal::Attestation, request::Request},
    sandbox::{Failure, Fault},
    service::Bot,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::{AnyConnection, Connection as _, Executor as _};

use crate::{
    cli::run,
    postgres::cluster,
    world::{REPO, Setup, World, fresh, merge_commit, note, story, story_with},
};

const PULL: &str = "/repos/*/pulls/*";

/// A delivery by GitHub, with its id.
async fn deliver(world: &World, delivery: &str, event: &str, payload: &Value) -> (u16, Value) {
    let body = payload.to_string().into_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(world.app.webhook_secret.as_bytes()).unwrap();
    mac.update(&body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [
        ("x-github-event", event),
        ("x-github-delivery", delivery),
        ("x-hub-signature-256", &signature),
        ("content-type", "application/json"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    world.raw("POST", "/webhooks/github", &headers, body).await
}

fn edited(world: &World, pull: u64) -> Value {
    json!({
        "action": "edited",
        "repository": { "full_name": REPO },
        "pull_request": world.github.pull(REPO, pull).unwrap(),
    })
}

async fn sqlite(world: &World) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let file = world.data.path().join("bot/countersign.db");
    AnyConnection::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap()
}

async fn waits(world: &World) -> usize {
    world.bot.store().inbox().undone().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_what_was_acknowledged_is_worked_on_by_the_next_process() {
    story(async |world| {
        let payment = world.payment().await;
        // It answers, and works on nothing any more.
        world.bot.stopping().begin();
        for person in ["alice", "bob"] {
            world.person(person).approve(REPO, payment.pull).unwrap();
        }
        world.github.quiesce().await;
        let answers = world.github.deliveries();
        let reviews = answers
            .iter()
            .filter(|(event, _, _)| event == "pull_request_review");
        assert!(reviews.clone().count() >= 2);
        assert!(waits(world).await >= 2, "{answers:?}");
        assert_eq!(world.state(&payment).await, "open");
        world.crash();
        // No sweep: what is done is done because of what was stored.
        world.start().await.unwrap();
        assert_eq!(world.state(&payment).await, "executed");
        let heard =
            |entry: &&Value| entry["kind"] == "reviewed" && !entry["body"]["found"]["event"].is_null();
        assert_eq!(
            world.about(&payment).iter().filter(heard).count(),
            2,
            "{:#?}",
            world.about(&payment)
        );
        assert_eq!(waits(world).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_delivery_is_stored_once_and_others_are_stored_nowhere() {
    story(async |world| {
        let campaign = world.campaign().await;
        world.bot.stopping().begin();
        let payload = edited(world, campaign.pull);
        for _ in 0..3 {
            assert_eq!(deliver(world, "d-1", "pull_request", &payload).await.0, 202);
        }
        assert_eq!(waits(world).await, 1);
        let mut other = payload.clone();
        other["repository"]["full_name"] = json!("acme/another");
        assert_eq!(deliver(world, "d-2", "pull_request", &other).await.0, 202);
        assert_eq!(deliver(world, "d-3", "star", &payload).await.0, 202);
        let broken = json!({ "action": "edited", "repository": { "full_name": REPO } });
        assert_eq!(deliver(world, "d-4", "pull_request", &broken).await.0, 400);
        assert_eq!(waits(world).await, 1);
        world.crash();
        world.start().await.unwrap();
        world.github.forget_requests();
        assert_eq!(deliver(world, "d-1", "pull_request", &payload).await.0, 202);
        world.settle().await;
        assert_eq!(world.github.requests().len(), 0, "it was done already");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_what_can_t_be_stored_is_not_acknowledged() {
    story(async |world| {
        let campaign = world.campaign().await;
        let payload = edited(world, campaign.pull);
        let before = world.still().await;
        let mut database = sqlite(world).await;
        for table in ["inbox", "nonces", "instances"] {
            let full = format!(
                "CREATE TRIGGER full_{table} BEFORE INSERT ON {table} \
                 BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            );
            database
                .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(full)))
                .await
                .unwrap();
        }
        let (status, answer) = deliver(world, "d-1", "pull_request", &payload).await;
        assert_eq!(status, 503, "{answer}");
        assert!(
            answer["detail"]
                .as_str()
                .unwrap()
                .contains("database or disk is full"),
            "{answer}"
        );
        let (status, answer) = world.raw("GET", "/readyz", &[], Vec::new()).await;
        assert_eq!(status, 503, "{answer}");
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 503, "{answer}");
        assert_eq!(waits(world).await, 0);
        for table in ["inbox", "nonces", "instances"] {
            let drop = format!("DROP TRIGGER full_{table}");
            database
                .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(drop)))
                .await
                .unwrap();
        }
        database.close().await.unwrap();
        assert_eq!(world.raw("GET", "/readyz", &[], Vec::new()).await.0, 200);
        assert_eq!(deliver(world, "d-1", "pull_request", &payload).await.0, 202);
        world.settle().await;
        assert_eq!(world.still().await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_whoever_lost_a_lease_publishes_nothing() {
    story(async |world| {
        let campaign = world.campaign().await;
        let replica = world.replica("replica").await;
        let (before, kinds) = (world.check(&campaign), world.kinds(&campaign));
        world.github.forget_requests();
        // The first one sees a draft, and stands still before it says so.
        let by = Duration::from_secs(4);
        let git = "/acme/approvals.git/info/refs";
        world.github.fault(Fault::once("GET", git, Failure::Slow { by }));
        world.person("dave").set_draft(REPO, campaign.pull, true).unwrap();
        let looked = |world: &World| {
            let requests = world.github.requests();
            let pull = format!("/repos/{REPO}/pulls/{}", campaign.pull);
            requests
                .iter()
                .filter(|one| one.method == "GET" && one.path == pull)
                .count()
        };
        while looked(world) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world
            .person("dave")
            .set_draft(REPO, campaign.pull, false)
            .unwrap();
        world.github.quiesce().await;
        world.both_later(Duration::from_secs(120));
        world.work(&replica);
        while looked(world) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.settle().await;
        // The first one is still on its way when nobody has a lease any more.
        world.bot.stopping().begin();
        world.bot.tasks().idle().await;
        assert_eq!(world.check(&campaign), before);
        assert_eq!(world.kinds(&campaign), kinds);
        close(&replica).await;
    })
    .await;
}

async fn close(bot: &Bot) {
    bot.stopping().begin();
    bot.tasks().idle().await;
    bot.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_poison_is_given_up_listed_and_can_be_tried_again() {
    story(async |world| {
        let campaign = world.campaign().await;
        let failure = Failure::Before { status: 502 };
        let always = Fault {
            times: 100_000,
            ..Fault::once("GET", PULL, failure)
        };
        world.github.fault(always);
        assert_eq!(
            deliver(world, "poison-1", "pull_request", &edited(world, campaign.pull))
                .await
                .0,
            202
        );
        let directory = world.data.path().join("bot");
        let list = || {
            run(&[
                "inbox",
                "list",
                "--json",
                "--data-dir",
                directory.to_str().unwrap(),
            ])
        };
        for _ in 0..20 {
            world.settle().await;
            let listed = list();
            let events: Value = serde_json::from_str(&listed.out).unwrap();
            assert_eq!(events[0]["delivery"], "poison-1", "{}", listed.err);
            if events[0]["parked"] == true {
                break;
            }
            assert_eq!(listed.code, 0);
            world.both_later(Duration::from_secs(600));
        }
        let listed = list();
        assert_eq!(listed.code, 3, "{}", listed.out);
        let events: Value = serde_json::from_str(&listed.out).unwrap();
        assert!(events[0]["error"].as_str().unwrap().contains("502"), "{events:#}");
        let shown = run(&["inbox", "list", "--data-dir", directory.to_str().unwrap()]);
        assert!(
            shown.out.contains("poison-1") && shown.out.contains("given up"),
            "{}",
            shown.out
        );
        let none = run(&[
            "inbox",
            "retry",
            "other",
            "--data-dir",
            directory.to_str().unwrap(),
        ]);
        assert_eq!(none.code, 1);
        assert!(
            none.err.contains("no delivery `other` was given up"),
            "{}",
            none.err
        );

        world.github.clear_faults();
        world.github.forget_requests();
        let again = run(&[
            "inbox",
            "retry",
            "--all",
            "--data-dir",
            directory.to_str().unwrap(),
        ]);
        assert!(
            again.out.contains("1 to be tried again"),
            "{}{}",
            again.out,
            again.err
        );
        world.settle().await;
        assert!(!world.github.requests().is_empty());
        assert_eq!(list().code, 0);
        assert_eq!(waits(world).await, 0);
    })
    .await;
}

/// Two replicas on one database and one ledger: every low-tier key runs once, every proposal is worked on by one.
async fn two_replicas(setup: Setup) {
    story_with(setup, async |world| {
        let replica = world.replica("replica").await;
        world.work(&replica);
        let bots = [world.bot.clone(), replica.clone()];
        let mut ids = BTreeSet::new();
        for n in 0..6 {
            let mut body = note();
            body["idempotency_key"] = json!(format!("ticket-{n}"));
            let requests = [(); 2].map(|()| {
                let mut body = body.clone();
                body["nonce"] = json!(fresh());
                serde_json::from_value::<Request>(world.request("support-agent", body)).unwrap()
            });
            let [one, two] = requests;
            let agent = "support-agent".parse().unwrap();
            let (one, two) = tokio::join!(
                bots[0].receive(one, &agent, Attestation::Hmac, Via::Api),
                bots[1].receive(two, &agent, Attestation::Hmac, Via::Api),
            );
            let made: Vec<_> = [one, two].into_iter().flatten().collect();
            assert!(!made.is_empty());
            ids.extend(made.iter().map(|receipt| receipt.id));
        }
        assert_eq!((world.targets.crm().asked(), world.acted()), (6, (0, 6)));
        assert_eq!(ids.len(), 6, "the same proposal for the same key");

        let mut payments = Vec::new();
        for (supplier, iban) in [
            ("acme-ltd", "DE89370400440532013000"),
            ("globex", "NL91ABNA0417164300"),
        ] {
            let mut body = crate::world::payment();
            body["parameters"]["supplier_id"] = json!(supplier);
            body["parameters"]["iban"] = json!(iban);
            payments.push(world.open("payments-agent", body).await);
        }
        for payment in &payments {
            world.approve("alice", payment).await;
            world.approve("bob", payment).await;
        }
        for payment in &payments {
            let pull = world.github.pull(REPO, payment.pull).unwrap();
            if pull["merged"] != true {
                world
                    .person("dave")
                    .merge(REPO, payment.pull, merge_commit())
                    .unwrap();
            }
        }
        world.settle().await;
        for bot in &bots {
            bot.sweep().await;
        }
        world.settle().await;
        for payment in &payments {
            assert_eq!(world.state(payment).await, "executed");
            let kinds = world.kinds(payment);
            for kind in ["opened", "merged", "started", "finished"] {
                assert_eq!(
                    kinds.iter().filter(|known| *known == kind).count(),
                    1,
                    "{kinds:?}"
                );
            }
        }
        assert_eq!((world.targets.bank().asked(), world.acted()), (2, (2, 6)));
        close(&replica).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i24_two_replicas_do_everything_once() {
    two_replicas(Setup::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i24_two_replicas_on_postgresql_do_everything_once() {
    let Some(cluster) = cluster().await else { return };
    let database = Some(cluster.database().await);
    two_replicas(Setup {
        database,
        ..Setup::default()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_what_github_could_not_deliver_is_asked_for_again() {
    story(async |world| {
        let payment = world.payment().await;
        world.both_later(Duration::from_secs(3));
        world.crash();
        for person in ["alice", "bob"] {
            world.person(person).approve(REPO, payment.pull).unwrap();
        }
        world.github.quiesce().await;
        world.start().await.unwrap();
        assert_eq!(world.state(&payment).await, "open");
        world.github.forget_requests();
        world.bot.ask_for_undelivered().await.unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "executed");
        let heard =
            |entry: &&Value| entry["kind"] == "reviewed" && !entry["body"]["found"]["event"].is_null();
        // The first of them may have a look find what the second one tells of.
        assert!(world.about(&payment).iter().filter(heard).count() >= 1);
        let asked = |world: &World| {
            let requests = world.github.requests();
            let attempts = requests.iter().filter(|one| one.path.ends_with("/attempts"));
            attempts.count()
        };
        let once = asked(world);
        assert!(once >= 2, "{once}");
        world.bot.ask_for_undelivered().await.unwrap();
        assert_eq!(asked(world), once, "what was delivered is not asked for again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_what_is_refused_each_time_is_not_asked_for_for_ever() {
    story(async |world| {
        let campaign = world.campaign().await;
        world.crash();
        world
            .person("dave")
            .comment(REPO, campaign.pull, "anybody there?")
            .unwrap();
        world.github.quiesce().await;
        world.start().await.unwrap();
        // Nobody is there for GitHub, however often it tries.
        world
            .github
            .set_webhook_url(world.app.id, "http://127.0.0.1:1/webhooks/github")
            .unwrap();
        world.github.forget_requests();
        let mut asked = Vec::new();
        for _ in 0..8 {
            world.bot.ask_for_undelivered().await.unwrap();
            world.github.quiesce().await;
            let requests = world.github.requests();
            let attempts = requests.iter().filter(|one| one.path.ends_with("/attempts"));
            asked.push(attempts.count());
        }
        let each = asked[0];
        assert!(each > 0);
        let five: Vec<usize> = (1..=8).map(|n| each * n.min(5)).collect();
        assert_eq!(asked, five);
    })
    .await;
}
