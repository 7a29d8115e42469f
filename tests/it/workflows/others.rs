//! Runs that somebody else asked for, and runs that are run again: none is let through.

use countersign::sandbox::Runners;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use super::{ENVIRONMENT, NAMED, deploying};
use crate::world::{REPO, World, story_with};

fn inputs(nonce: &str) -> Value {
    json!({ "service": "shop", "version": "evil", "nonce": nonce })
}

fn evil(world: &World, nonce: &str) -> u64 {
    let mallory = world.person("mallory");
    mallory
        .dispatch(REPO, "deploy.yml", "main", &inputs(nonce))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_a_run_that_somebody_else_asked_for_is_turned_away() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        let run = evil(world, "x");
        world.settle().await;
        let [(state, words)] = world.github.rules_said(REPO, run).unwrap().try_into().unwrap();
        assert_eq!(state, "rejected");
        assert!(
            words.starts_with("Turned away: no execution of an approved proposal began this run."),
            "{words}"
        );
        assert_eq!(world.runs()[0]["conclusion"], "failure");
        world.none_entered();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_beside_an_execution_nobody_else_s_run_gets_in_whatever_its_name() {
    story_with(deploying(), async |world| {
        let (deploy, ours) = world.running().await;
        // With our own run's name, while ours goes on: it could be ours, so it waits.
        let theirs = evil(world, &format!("{}/1", deploy.id));
        world.settle().await;
        assert_eq!(world.states_said(theirs), Vec::<String>::new());
        // The process dies, and finds two runs of the name: its own is the one that it asked for.
        world.crash();
        world.start().await.unwrap();
        world.sweep().await;
        world.github.finish_run(REPO, ours, "success").unwrap();
        world.ended(&deploy, "executed").await;
        world.turns_away(theirs).await;
        assert_eq!(world.github.entered(REPO).unwrap(), [ours]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_a_run_that_is_run_again_is_not_let_through_again() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        let deploy = world.deployed("1.2.3").await;
        world.ended(&deploy, "executed").await;
        let run = world.runs()[0]["id"].as_u64().unwrap();
        world.person("mallory").rerun(REPO, run).unwrap();
        world.settle().await;
        // The bot looked at it at least once: nothing was under way.
        assert_eq!(world.states_said(run), ["rejected"]);
        assert_eq!(world.github.entered(REPO).unwrap(), [run]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_a_run_that_was_stopped_and_run_again_before_it_was_let_through_is_turned_away() {
    story_with(deploying(), async |world| {
        let (deploy, run) = world.queued().await;
        world.github.finish_run(REPO, run, "cancelled").unwrap();
        world.github.set_runners(REPO, Runners::Hold).unwrap();
        world.person("mallory").rerun(REPO, run).unwrap();
        world.ended(&deploy, "unknown").await;
        world.turns_away(run).await;
        world.none_entered();
    })
    .await;
}

/// Tells the bot of a run, signed as GitHub would.
async fn tells(world: &World, payload: &Value) -> u16 {
    let body = payload.to_string().into_bytes();
    let secret = world.app.webhook_secret.as_bytes();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    mac.update(&body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-github-event", "deployment_protection_rule".to_owned()),
        ("x-github-delivery", format!("{:032x}", rand::random::<u128>())),
        ("x-hub-signature-256", signature),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    world.raw("POST", "/webhooks/github", &headers, body).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_i24_whatever_a_webhook_says_lets_nothing_through() {
    story_with(deploying(), async |world| {
        let (deploy, ours) = world.running().await;
        let theirs = evil(world, "x");
        world.settle().await;
        let said = |callback: String, repo: &str| {
            json!({
                "action": "requested", "environment": ENVIRONMENT, "event": "workflow_dispatch",
                "deployment_callback_url": callback, "repository": { "full_name": repo },
            })
        };
        let to = |run: u64| format!("https://evil.example/actions/runs/{run}/deployment_protection_rule");
        for payload in [
            said(to(theirs), REPO),
            said(to(ours), REPO),
            said(to(0), REPO),
            said(to(theirs), "acme/other"),
        ] {
            assert_eq!(tells(world, &payload).await, 202, "{payload}");
        }
        let no_run = said("https://evil.example/".into(), REPO);
        assert!(tells(world, &no_run).await >= 400);
        world.settle().await;
        world.github.finish_run(REPO, ours, "success").unwrap();
        world.ended(&deploy, "executed").await;
        world.turns_away(theirs).await;
        assert_eq!(world.github.entered(REPO).unwrap(), [ours]);
        let asked = world.github.requests();
        let approved = asked.iter().filter(|one| one.request["state"] == "approved");
        assert_eq!(approved.count(), 1);
    })
    .await;
}
