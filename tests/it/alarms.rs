//! Alarms outlast crashes, channels that are away and lost databases; an issue is made once, and mentions nobody.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use countersign::sandbox::{Failure, Fault};
use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, merge_commit, story_with};

/// Whoever hears alarms.
#[derive(Clone, Default)]
pub(crate) struct Ears {
    heard: Arc<Mutex<Vec<Value>>>,
    away: Arc<AtomicBool>,
}

impl Ears {
    /// Listens; gives the address.
    async fn listen(&self) -> String {
        let ears = self.clone();
        let hear = move |body: String| async move {
            if ears.away.load(Ordering::SeqCst) {
                return StatusCode::BAD_GATEWAY;
            }
            ears.heard
                .lock()
                .unwrap()
                .push(serde_json::from_str(&body).unwrap());
            StatusCode::NO_CONTENT
        };
        let routes = axum::Router::new().route("/alarms/secret", axum::routing::post(hear));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        format!("http://{address}/alarms/secret")
    }

    fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    fn of(&self, opened: &Opened) -> usize {
        let heard = self.heard();
        heard
            .iter()
            .filter(|alarm| alarm["subject"] == json!(opened.id))
            .count()
    }
}

/// A story in which alarms are heard.
pub(crate) async fn alarmed(tell: impl AsyncFnOnce(&mut World, &Ears)) {
    let ears = Ears::default();
    let setup = Setup {
        alarm_url: Some(ears.listen().await),
        ..Setup::default()
    };
    story_with(setup, async |world| tell(world, &ears).await).await;
}

/// A story in which alarms become issues.
async fn with_issues(tell: impl AsyncFnOnce(&mut World)) {
    let setup = Setup {
        alarm_issue: true,
        ..Setup::default()
    };
    story_with(setup, tell).await;
}

async fn around_the_gate(world: &mut World) -> Opened {
    let payment = world.payment().await;
    merge_around(world, &payment).await;
    payment
}

async fn merge_around(world: &mut World, payment: &Opened) {
    world
        .person("root")
        .merge(REPO, payment.pull, merge_commit())
        .unwrap();
    world.settle().await;
    assert_eq!(world.state(payment).await, "bypassed");
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_an_alarm_outlasts_a_crash_and_is_heard_once() {
    alarmed(async |world, ears| {
        ears.away(true);
        let payment = around_the_gate(world).await;
        world.crash();
        ears.away(false);
        world.start().await.unwrap();
        world.sweep().await;
        world.sweep().await;
        assert_eq!(ears.of(&payment), 1, "{:#?}", ears.heard());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_an_alarm_that_nobody_hears_for_an_hour_is_heard_once_and_in_order() {
    alarmed(async |world, ears| {
        ears.away(true);
        let first = around_the_gate(world).await;
        for _ in 0..6 {
            world.both_later(Duration::from_secs(600));
            world.sweep().await;
        }
        let second = around_the_gate(world).await;
        assert_eq!(ears.heard(), [] as [Value; 0]);
        ears.away(false);
        world.both_later(Duration::from_secs(600));
        world.sweep().await;
        world.sweep().await;
        let heard = ears.heard();
        let subjects: Vec<&Value> = heard.iter().map(|alarm| &alarm["subject"]).collect();
        assert_eq!(subjects, [&json!(first.id), &json!(second.id)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_two_replicas_give_an_alarm_once() {
    alarmed(async |world, ears| {
        let other = world.replica("replica").await;
        world.work(&other);
        let payment = around_the_gate(world).await;
        other.sweep().await;
        world.sweep().await;
        other.sweep().await;
        other.idle().await;
        world.settle().await;
        assert_eq!(ears.of(&payment), 1, "{:#?}", ears.heard());
        other.stopping().begin();
        other.tasks().idle().await;
        other.close().await;
    })
    .await;
}

/// Loses the database of a process that is gone.
fn lose_database(world: &World) {
    let data = world.data.path().join("bot");
    for file in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        if let Err(error) = std::fs::remove_file(data.join(file)) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_database_alarms_of_the_last_day_are_given_again_and_no_older_ones() {
    alarmed(async |world, ears| {
        let old = around_the_gate(world).await;
        world.both_later(Duration::from_secs(25 * 3_600));
        world.sweep().await;
        let new = around_the_gate(world).await;
        assert_eq!((ears.of(&old), ears.of(&new)), (1, 1));
        world.crash();
        lose_database(world);
        world.start().await.unwrap();
        world.sweep().await;
        assert_eq!((ears.of(&old), ears.of(&new)), (1, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_an_issue_is_made_once_whatever_github_answers() {
    with_issues(async |world| {
        let failures = [Failure::After { status: 502 }, Failure::Before { status: 502 }];
        for (failure, count) in failures.into_iter().zip(1..) {
            let payment = world.payment().await;
            world
                .github
                .fault(Fault::once("POST", "/repos/*/issues", failure));
            merge_around(world, &payment).await;
            world.sweep().await;
            world.restart().await;
            world.sweep().await;
            let issues = world.github.issues(REPO).unwrap();
            assert_eq!(issues.len(), count, "{issues:#?}");
            let issue = issues.last().unwrap();
            let body = issue["body"].as_str().unwrap();
            assert!(
                body.ends_with(&format!("\n\ncountersign alarm `bypassed of {}`", payment.id)),
                "{body}"
            );
            assert!(
                body.contains(&format!("- Pull request: #{}\n", payment.pull)),
                "{body}"
            );
            assert_eq!(issue["labels"][0]["name"], "countersign-alarm");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_an_issue_that_can_not_be_made_is_made_later_and_crashes_double_none() {
    with_issues(async |world| {
        let payment = world.payment().await;
        let refused = Fault {
            times: 1_000,
            ..Fault::once("POST", "/repos/*/issues", Failure::After { status: 502 })
        };
        world.github.fault(refused);
        merge_around(world, &payment).await;
        world.crash();
        world.github.clear_faults();
        world.start().await.unwrap();
        world.both_later(Duration::from_secs(600));
        world.sweep().await;
        assert_eq!(world.github.issues(REPO).unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_an_issue_mentions_nobody_whatever_the_pull_request_says() {
    with_issues(async |world| {
        let payment = world.payment().await;
        let hostile = "@alice fixes #1 <!-- --> ``` https://evil.example";
        world
            .person("mallory")
            .edit_pull(REPO, payment.pull, &json!({ "title": hostile, "body": hostile }))
            .unwrap();
        merge_around(world, &payment).await;
        world.sweep().await;
        let issues = world.github.issues(REPO).unwrap();
        assert_eq!(issues.len(), 1);
        let said = format!("{}\n{}", issues[0]["title"], issues[0]["body"]);
        for word in ["@", "fixes", "<", "evil"] {
            assert!(!said.contains(word), "{said}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_channel_nothing_is_asked_or_kept() {
    story_with(Setup::default(), async |world| {
        around_the_gate(world).await;
        world.sweep().await;
        assert_eq!(world.github.issues(REPO).unwrap(), [] as [Value; 0]);
        assert_eq!(world.bot.store().channels().next("address").await.unwrap(), None);
        assert_eq!(world.bot.store().channels().next("issue").await.unwrap(), None);
    })
    .await;
}
