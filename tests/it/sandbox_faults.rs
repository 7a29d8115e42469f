//! What goes wrong on purpose, and what costs: webhooks, failing requests, limits, pages, unchanged answers.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::sandbox::{Clock, DeliveryFault, Failure, Fault, Options, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sandbox::{REPO, World, endpoint};

#[tokio::test]
async fn webhooks_are_signed_lost_doubled_held_and_redelivered() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let status = Arc::new(Mutex::new(200));
    let (url, seen) = endpoint(Arc::clone(&status)).await;
    sandbox.set_webhook_url(world.app.id, &url).unwrap();
    sandbox.quiesce().await;
    let names = || -> Vec<String> {
        let name = |headers: &http::HeaderMap| headers["x-github-event"].to_str().unwrap().to_owned();
        seen.lock()
            .unwrap()
            .iter()
            .map(|(headers, _)| name(headers))
            .collect()
    };
    assert_eq!(names(), ["ping"]);
    let (headers, body) = seen.lock().unwrap()[0].clone();
    let signature = {
        use hmac::{KeyInit, Mac};
        let mut mac =
            hmac::Hmac::<sha2::Sha256>::new_from_slice(world.app.webhook_secret.as_bytes()).unwrap();
        mac.update(&body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    };
    assert_eq!(headers["x-hub-signature-256"], signature.as_str());

    seen.lock().unwrap().clear();
    sandbox.webhook_fault(Some("push"), DeliveryFault::Lose, 1);
    sandbox
        .as_user("bob")
        .push_files(REPO, "topic", &[("a.txt", "1\n")], "One", false)
        .unwrap();
    sandbox.webhook_fault(Some("pull_request"), DeliveryFault::Duplicate, 1);
    sandbox
        .as_user("bob")
        .open_pull(REPO, "topic", "main", "Topic", "")
        .unwrap();
    sandbox.quiesce().await;
    assert_eq!(names(), ["pull_request", "pull_request"]);
    let guid = |at: usize| seen.lock().unwrap()[at].0["x-github-delivery"].clone();
    assert_eq!(guid(0), guid(1));

    seen.lock().unwrap().clear();
    sandbox.webhook_fault(None, DeliveryFault::Hold, 2);
    sandbox.as_user("alice").comment(REPO, 1, "hello").unwrap();
    sandbox.as_user("alice").approve(REPO, 1).unwrap();
    sandbox.quiesce().await;
    assert!(names().is_empty());
    sandbox.release_webhooks_reversed();
    sandbox.quiesce().await;
    assert_eq!(names(), ["pull_request_review", "issue_comment"]);

    let jwt = world.jwt();
    let (_, failed) = world.get(&jwt, "/app/hook/deliveries?status=failure").await;
    assert_eq!(failed[0]["event"], "push");
    seen.lock().unwrap().clear();
    let path = format!("/app/hook/deliveries/{}/attempts", failed[0]["id"]);
    assert_eq!(world.post(&jwt, &path, Value::Null).await.0, 202);
    sandbox.quiesce().await;
    assert_eq!(names(), ["push"]);
    assert_eq!(
        seen.lock().unwrap()[0].0["x-github-delivery"],
        failed[0]["guid"].as_str().unwrap()
    );

    *status.lock().unwrap() = 500;
    sandbox.as_user("alice").comment(REPO, 1, "again").unwrap();
    sandbox.quiesce().await;
    let (_, list) = world.get(&jwt, "/app/hook/deliveries").await;
    assert_eq!(list[0]["status_code"], 500);
}

#[tokio::test]
async fn faults_strike_once_and_before_or_after_the_effect() {
    let world = World::new();
    let token = world.token();
    let comments = "/repos/acme/ops/issues/1/comments";
    world
        .sandbox
        .as_user("bob")
        .push_files(REPO, "topic", &[("a.txt", "1\n")], "One", false)
        .unwrap();
    world
        .sandbox
        .as_user("bob")
        .open_pull(REPO, "topic", "main", "Topic", "")
        .unwrap();
    let fault = |failure| {
        world
            .sandbox
            .fault(Fault::once("POST", "/repos/*/issues/*/comments", failure))
    };
    let body = json!({ "body": "hello" });
    fault(Failure::Before { status: 502 });
    assert_eq!(world.post(&token, comments, body.clone()).await.0, 502);
    assert!(world.sandbox.comments(REPO, 1).unwrap().is_empty());
    fault(Failure::After { status: 502 });
    assert_eq!(world.post(&token, comments, body.clone()).await.0, 502);
    assert_eq!(world.sandbox.comments(REPO, 1).unwrap().len(), 1);
    fault(Failure::SecondaryLimit {
        status: 429,
        retry_after: 7,
    });
    let (status, _, headers) = world.send(Method::POST, &token, comments, body.clone()).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (429, "7"));
    fault(Failure::PrimaryLimit { reset_in: 60 });
    let (status, _, headers) = world.send(Method::POST, &token, comments, body.clone()).await;
    assert_eq!(
        (status, headers["x-ratelimit-remaining"].to_str().unwrap()),
        (403, "0")
    );
    fault(Failure::Refuse {
        status: 405,
        message: "Base branch was modified".to_owned(),
    });
    let (status, refusal) = world.post(&token, comments, body.clone()).await;
    assert_eq!(
        (status, refusal["message"].as_str()),
        (405, Some("Base branch was modified"))
    );
    fault(Failure::Slow {
        by: Duration::from_millis(30),
    });
    assert_eq!(world.post(&token, comments, body).await.0, 201);
}

#[tokio::test]
async fn pages_link_and_unchanged_answers_are_free() {
    let world = World::new();
    let token = world.token();
    for at in 0..3 {
        world
            .sandbox
            .as_user("bob")
            .push_files(REPO, &format!("t{at}"), &[("a.txt", "1\n")], "One", false)
            .unwrap();
    }
    let (_, page, headers) = world
        .send(
            Method::GET,
            &token,
            "/repos/acme/ops/branches?per_page=2",
            Value::Null,
        )
        .await;
    assert_eq!(page.as_array().unwrap().len(), 2);
    let link = headers["link"].to_str().unwrap();
    assert!(
        link.contains("page=2>; rel=\"next\"") && link.contains("rel=\"last\""),
        "{link}"
    );
    let remaining = headers["x-ratelimit-remaining"].to_str().unwrap().to_owned();
    let url = format!("{}/repos/acme/ops/branches?per_page=2", world.sandbox.api_url());
    let again = world
        .http
        .get(url)
        .bearer_auth(&token)
        .header("if-none-match", headers["etag"].clone());
    let again = again.send().await.unwrap();
    assert_eq!(again.status().as_u16(), 304);
    assert_eq!(
        again.headers()["x-ratelimit-remaining"].to_str().unwrap(),
        remaining
    );
    let activity = "/repos/acme/ops/activity?per_page=2";
    let (_, first, more) = world.send(Method::GET, &token, activity, Value::Null).await;
    let next = more["link"]
        .to_str()
        .unwrap()
        .split(['<', '>'])
        .nth(1)
        .unwrap()
        .to_owned();
    let next = next.strip_prefix(&world.sandbox.api_url()).unwrap();
    let (_, second) = world.get(&token, next).await;
    assert!(first[1]["id"].as_u64() > second[0]["id"].as_u64());
    assert_eq!(second.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_hourly_limit_holds_and_resets() {
    let clock = Clock::fixed("2026-01-01T00:00:00Z".parse().unwrap());
    let options = Options {
        rate_limit: Some(2),
        clock: clock.clone(),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).unwrap();
    sandbox.add_user("ann").unwrap();
    let token = sandbox.user_token("ann").unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |version: &str| {
        let request = http
            .get(format!("{}/user", sandbox.api_url()))
            .bearer_auth(&token);
        let answer = request
            .header("x-github-api-version", version)
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.headers()["date"].to_str().unwrap().get(..16),
            Some("Thu, 01 Jan 2026")
        );
        answer.status().as_u16()
    };
    assert_eq!(
        [
            ask("2022-11-28").await,
            ask("1999-01-01").await,
            ask("2022-11-28").await
        ],
        [200, 400, 403]
    );
    clock.advance(jiff::SignedDuration::from_mins(60));
    assert_eq!(ask("2026-03-10").await, 200);
}
